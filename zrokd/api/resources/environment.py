"""Enable, disable."""

from __future__ import annotations

from zrokd.api.call import OK, Call, Created, Done, Found, reads, shaped, tells
from zrokd.model.environment import EnvironmentDraft
from zrokd.wire import answers
from zrokd.wire.requests import Disable, Enable
from zrokd.wire.usage_requests import ENVIRONMENT_USAGE_SCHEMA, environment_usage_from_wire


@tells(answers.enabled_to_wire)
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


@shaped(ENVIRONMENT_USAGE_SCHEMA)
def usage(call: Call) -> Found:
    """POST /zrokd/environment/usage: what its backends counted of its shares since the last report, taken as of now.

    Answers which of all its shares let nobody in.
    """
    z_id, report = environment_usage_from_wire(call.body)
    return Found(answers.limited_to_wire(call.services.usage.report_environment(z_id, report, call.principal)))
