"""Private accesses."""

from __future__ import annotations

from zrokd.api.call import OK, Answer, Call
from zrokd.wire import answers
from zrokd.wire.requests import MakeAccess, ModifyAccess, Unaccess, from_wire


def create(call: Call) -> Answer:
    """POST /access."""
    asked = from_wire(MakeAccess, call.body)
    access = call.services.accesses.access(
        asked.env_z_id,
        asked.share_token,
        call.principal,
        bind_address=asked.bind_address,
        description=asked.description,
    )
    return Answer(201, answers.created_access_to_wire(access))


def modify(call: Call) -> Answer:
    """PATCH /access."""
    asked = from_wire(ModifyAccess, call.body)
    call.services.accesses.modify(
        asked.frontend_token, call.principal, bind_address=asked.bind_address, description=asked.description
    )
    return OK


def delete(call: Call) -> Answer:
    """DELETE /unaccess."""
    asked = from_wire(Unaccess, call.body)
    call.services.accesses.unaccess(asked.env_z_id, asked.frontend_token, call.principal)
    return OK
