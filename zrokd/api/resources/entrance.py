"""Public entrances and their identities: the operator's operations."""

from __future__ import annotations

from zrokd.api.call import OK, Call, Created, Done, Found, reads, tells
from zrokd.errors import Conflict, Invalid
from zrokd.model.frontend import Frontend
from zrokd.model.share import Permission
from zrokd.wire import answers, operator_answers
from zrokd.wire.fields import choice
from zrokd.wire.operator_requests import (
    GrantFrontend,
    MakeFrontend,
    MakeIdentity,
    ModifyFrontend,
    OneFrontend,
    OneIdentity,
)


@tells(operator_answers.created_frontend_to_wire)
@reads(MakeFrontend)
def create(call: Call, asked: MakeFrontend) -> Created:
    """POST /frontend. A name that is taken is 400 [zrok]."""
    wanted = Frontend(
        token="",
        name=asked.public_name,
        z_id=asked.z_id,
        url_template=asked.url_template,
        permission=choice(call.body, "permissionMode", Permission, Permission.OPEN),
        dynamic=asked.dynamic,
    )
    try:
        made = call.services.frontends.create(wanted)
    except Conflict as error:
        raise Invalid(str(error)) from error
    return Created(operator_answers.created_frontend_to_wire(made))


@reads(ModifyFrontend)
def modify(call: Call, asked: ModifyFrontend) -> Done:
    """PATCH /frontend."""
    call.services.frontends.modify(
        asked.frontend_token,
        name=asked.public_name,
        url_template=asked.url_template,
        dynamic=asked.dynamic if asked.dynamic_set else None,
    )
    return OK


@reads(OneFrontend)
def delete(call: Call, asked: OneFrontend) -> Done:
    """DELETE /frontend."""
    call.services.frontends.delete(asked.frontend_token)
    return OK


def listing(call: Call) -> Found:
    """GET /frontends."""
    return Found([operator_answers.frontend_details_to_wire(one) for one in call.services.frontends.details()])


@reads(GrantFrontend)
def grant(call: Call, asked: GrantFrontend) -> Done:
    """POST /frontend/grant."""
    call.services.frontends.grant(asked.frontend_token, asked.email)
    return OK


@reads(GrantFrontend)
def revoke(call: Call, asked: GrantFrontend) -> Done:
    """DELETE /frontend/grant."""
    call.services.frontends.revoke(asked.frontend_token, asked.email)
    return OK


@tells(answers.enabled_to_wire)
@reads(MakeIdentity)
def create_identity(call: Call, asked: MakeIdentity) -> Created:
    """POST /identity."""
    identity = call.services.identities.create(asked.name)
    return Created(answers.enabled_to_wire(identity))


@reads(OneIdentity)
def delete_identity(call: Call, asked: OneIdentity) -> Done:
    """DELETE /identity."""
    call.services.identities.delete(asked.z_id)
    return OK
