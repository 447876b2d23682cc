"""Enable, disable."""

from __future__ import annotations

from zrokd.api.call import OK, Call, Created, Done, reads
from zrokd.model.environment import EnvironmentDraft
from zrokd.wire import answers
from zrokd.wire.requests import Disable, Enable


@reads(Enable)
def enable(call: Call, asked: Enable) -> Created:
    """POST /enable."""
    draft = EnvironmentDraft(
        account_id=call.principal.account_id or 0, description=asked.description, host=asked.host, address=call.peer
    )
    return Created(answers.enabled_to_wire(call.services.environments.enable(draft, call.principal)))


@reads(Disable)
def disable(call: Call, asked: Disable) -> Done:
    """POST /disable."""
    call.services.environments.disable(asked.identity, call.principal)
    return OK
