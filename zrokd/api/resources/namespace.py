"""Namespaces: the operator's operations."""

from __future__ import annotations

from zrokd.api.call import OK, Answer, Call
from zrokd.wire import answers, operator_answers
from zrokd.wire.operator_requests import GrantNamespace, MakeNamespace, MapFrontend, ModifyNamespace, OneNamespace
from zrokd.wire.requests import from_wire


def create(call: Call) -> Answer:
    """POST /namespace."""
    asked = from_wire(MakeNamespace, call.body)
    namespace = call.services.namespaces.create(
        asked.name, token=asked.token, description=asked.description, is_open=asked.open
    )
    return Answer(201, answers.created_namespace_to_wire(namespace))


def modify(call: Call) -> Answer:
    """PATCH /namespace."""
    asked = from_wire(ModifyNamespace, call.body)
    call.services.namespaces.modify(
        asked.namespace_token,
        zone=asked.name,
        description=asked.description,
        is_open=asked.open if asked.open_set else None,
    )
    return OK


def delete(call: Call) -> Answer:
    """DELETE /namespace."""
    call.services.namespaces.delete(from_wire(OneNamespace, call.body).namespace_token)
    return OK


def listing(call: Call) -> Answer:
    """GET /namespaces."""
    return Answer(200, [answers.operators_namespace_to_wire(each) for each in call.services.namespaces.list()])


def grant(call: Call) -> Answer:
    """POST /namespace/grant."""
    asked = from_wire(GrantNamespace, call.body)
    call.services.namespaces.grant(asked.namespace_token, asked.email)
    return OK


def revoke(call: Call) -> Answer:
    """DELETE /namespace/grant."""
    asked = from_wire(GrantNamespace, call.body)
    call.services.namespaces.revoke(asked.namespace_token, asked.email)
    return OK


def map_frontend(call: Call) -> Answer:
    """POST /namespace/frontend/mapping."""
    asked = from_wire(MapFrontend, call.body)
    call.services.namespaces.add_frontend(asked.namespace_token, asked.frontend_token, is_default=asked.is_default)
    return OK


def unmap_frontend(call: Call) -> Answer:
    """DELETE /namespace/frontend/mapping."""
    asked = from_wire(MapFrontend, call.body)
    call.services.namespaces.remove_frontend(asked.namespace_token, asked.frontend_token)
    return OK


def frontends(call: Call) -> Answer:
    """GET /namespace/frontend/mapping/{namespace_token}."""
    found = call.services.namespaces.frontends(call.path["namespace_token"])
    return Answer(200, [operator_answers.mapped_frontend_to_wire(one) for one in found])


def served(call: Call) -> Answer:
    """GET /frontend/namespace/mapping/{frontend_token}."""
    found = call.services.namespaces.served_by(call.path["frontend_token"])
    return Answer(200, [operator_answers.mapped_frontend_to_wire(one) for one in found])


def holder(call: Call) -> Answer:
    """GET /name/{namespace_token}/{name}."""
    name, email = call.services.namespaces.holder(call.path["namespace_token"], call.path["name"])
    return Answer(200, operator_answers.held_name_to_wire(name, email))
