"""Public entrances and their identities: the operator's operations."""

from __future__ import annotations

from zrokd.api.call import OK, Answer, Call
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
from zrokd.wire.requests import from_wire


def create(call: Call) -> Answer:
    """POST /frontend. A name that is taken is 400 [zrok]."""
    asked = from_wire(MakeFrontend, call.body)
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
    return Answer(201, operator_answers.created_frontend_to_wire(made))


def modify(call: Call) -> Answer:
    """PATCH /frontend."""
    asked = from_wire(ModifyFrontend, call.body)
    call.services.frontends.modify(
        asked.frontend_token,
        name=asked.public_name,
        url_template=asked.url_template,
        dynamic=asked.dynamic if asked.dynamic_set else None,
    )
    return OK


def delete(call: Call) -> Answer:
    """DELETE /frontend."""
    call.services.frontends.delete(from_wire(OneFrontend, call.body).frontend_token)
    return OK


def listing(call: Call) -> Answer:
    """GET /frontends."""
    return Answer(200, [operator_answers.frontend_details_to_wire(one) for one in call.services.frontends.details()])


def grant(call: Call) -> Answer:
    """POST /frontend/grant."""
    asked = from_wire(GrantFrontend, call.body)
    call.services.frontends.grant(asked.frontend_token, asked.email)
    return OK


def revoke(call: Call) -> Answer:
    """DELETE /frontend/grant."""
    asked = from_wire(GrantFrontend, call.body)
    call.services.frontends.revoke(asked.frontend_token, asked.email)
    return OK


def create_identity(call: Call) -> Answer:
    """POST /identity."""
    identity = call.services.identities.create(from_wire(MakeIdentity, call.body).name)
    return Answer(201, answers.enabled_to_wire(identity))


def delete_identity(call: Call) -> Answer:
    """DELETE /identity."""
    call.services.identities.delete(from_wire(OneIdentity, call.body).z_id)
    return OK
