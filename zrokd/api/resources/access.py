"""Private accesses."""

from __future__ import annotations

from zrokd.api.call import OK, Call, Created, Done, reads, tells
from zrokd.wire import answers
from zrokd.wire.requests import MakeAccess, ModifyAccess, Unaccess


@tells(answers.created_access_to_wire)
@reads(MakeAccess)
def create(call: Call, asked: MakeAccess) -> Created:
    """POST /access."""
    access = call.services.accesses.access(
        asked.env_z_id,
        asked.share_token,
        call.principal,
        bind_address=asked.bind_address,
        description=asked.description,
    )
    return Created(answers.created_access_to_wire(access))


@reads(ModifyAccess)
def modify(call: Call, asked: ModifyAccess) -> Done:
    """PATCH /access."""
    call.services.accesses.modify(
        asked.frontend_token, call.principal, bind_address=asked.bind_address, description=asked.description
    )
    return OK


@reads(Unaccess)
def delete(call: Call, asked: Unaccess) -> Done:
    """DELETE /unaccess."""
    call.services.accesses.unaccess(asked.env_z_id, asked.frontend_token, call.principal)
    return OK
