"""Names, and the namespaces an account may use."""

from __future__ import annotations

from zrokd.api.call import CREATED, OK, Answer, Call
from zrokd.wire import answers
from zrokd.wire.requests import TakeName, from_wire


def create(call: Call) -> Answer:
    """POST /share/name."""
    asked = from_wire(TakeName, call.body)
    call.services.names.create(asked.namespace_token, asked.name, call.principal)
    return CREATED


def modify(call: Call) -> Answer:
    """PATCH /share/name."""
    asked = from_wire(TakeName, call.body)
    call.services.names.modify(asked.namespace_token, asked.name, call.principal, reserved=asked.reserved)
    return OK


def delete(call: Call) -> Answer:
    """DELETE /share/name."""
    asked = from_wire(TakeName, call.body)
    call.services.names.delete(asked.namespace_token, asked.name, call.principal)
    return OK


def listing(call: Call) -> Answer:
    """GET /share/names and /share/names/{namespace_token}."""
    found = call.services.names.list(call.principal, call.path.get("namespace_token"))
    return Answer(200, [answers.name_to_wire(name) for name in found])


def namespaces(call: Call) -> Answer:
    """GET /share/namespaces."""
    found = call.services.names.namespaces(call.principal)
    return Answer(200, [answers.namespace_to_wire(namespace) for namespace in found])
