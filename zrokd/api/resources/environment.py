"""Enable, disable."""

from __future__ import annotations

from zrokd.api.call import OK, Answer, Call
from zrokd.model.environment import EnvironmentDraft
from zrokd.wire import answers
from zrokd.wire.requests import Disable, Enable, from_wire


def enable(call: Call) -> Answer:
    """POST /enable."""
    asked = from_wire(Enable, call.body)
    draft = EnvironmentDraft(
        account_id=call.principal.account_id or 0, description=asked.description, host=asked.host, address=call.peer
    )
    return Answer(201, answers.enabled_to_wire(call.services.environments.enable(draft, call.principal)))


def disable(call: Call) -> Answer:
    """POST /disable."""
    call.services.environments.disable(from_wire(Disable, call.body).identity, call.principal)
    return OK
