"""Namespaces: the operator's operations."""

from __future__ import annotations

from zrokd.api.call import OK, Call, Created, Done, Found, reads, tells
from zrokd.wire import answers, operator_answers
from zrokd.wire.operator_requests import GrantNamespace, MakeNamespace, MapFrontend, ModifyNamespace, OneNamespace


@tells(answers.created_namespace_to_wire)
@reads(MakeNamespace)
def create(call: Call, asked: MakeNamespace) -> Created:
    """POST /namespace."""
    namespace = call.services.namespaces.create(
        asked.name, token=asked.token, description=asked.description, is_open=asked.open
    )
    return Created(answers.created_namespace_to_wire(namespace))


@reads(ModifyNamespace)
def modify(call: Call, asked: ModifyNamespace) -> Done:
    """PATCH /namespace."""
    call.services.namespaces.modify(
        asked.namespace_token,
        zone=asked.name,
        description=asked.description,
        is_open=asked.open if asked.open_set else None,
    )
    return OK


@reads(OneNamespace)
def delete(call: Call, asked: OneNamespace) -> Done:
    """DELETE /namespace."""
    call.services.namespaces.delete(asked.namespace_token)
    return OK


def listing(call: Call) -> Found:
    """GET /namespaces."""
    return Found([answers.operators_namespace_to_wire(each) for each in call.services.namespaces.list()])


@reads(GrantNamespace)
def grant(call: Call, asked: GrantNamespace) -> Done:
    """POST /namespace/grant."""
    call.services.namespaces.grant(asked.namespace_token, asked.email)
    return OK


@reads(GrantNamespace)
def revoke(call: Call, asked: GrantNamespace) -> Done:
    """DELETE /namespace/grant."""
    call.services.namespaces.revoke(asked.namespace_token, asked.email)
    return OK


@reads(MapFrontend)
def map_frontend(call: Call, asked: MapFrontend) -> Done:
    """POST /namespace/frontend/mapping."""
    call.services.namespaces.add_frontend(asked.namespace_token, asked.frontend_token, is_default=asked.is_default)
    return OK


@reads(MapFrontend)
def unmap_frontend(call: Call, asked: MapFrontend) -> Done:
    """DELETE /namespace/frontend/mapping."""
    call.services.namespaces.remove_frontend(asked.namespace_token, asked.frontend_token)
    return OK


def frontends(call: Call) -> Found:
    """GET /namespace/frontend/mapping/{namespace_token}."""
    found = call.services.namespaces.frontends(call.path["namespace_token"])
    return Found([operator_answers.mapped_frontend_to_wire(one) for one in found])


def served(call: Call) -> Found:
    """GET /frontend/namespace/mapping/{frontend_token}."""
    found = call.services.namespaces.served_by(call.path["frontend_token"])
    return Found([operator_answers.mapped_frontend_to_wire(one) for one in found])


def holder(call: Call) -> Found:
    """GET /name/{namespace_token}/{name}."""
    name, email = call.services.namespaces.holder(call.path["namespace_token"], call.path["name"])
    return Found(operator_answers.held_name_to_wire(name, email))
