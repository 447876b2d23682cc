"""Names, and the namespaces an account may use."""

from __future__ import annotations

from zrokd.api.call import CREATED, OK, Call, Done, Found, Listed, Made, reads
from zrokd.wire import answers
from zrokd.wire.requests import TakeName


@reads(TakeName)
def create(call: Call, asked: TakeName) -> Made:
    """POST /share/name."""
    call.services.names.create(asked.namespace_token, asked.name, call.principal)
    return CREATED


@reads(TakeName)
def modify(call: Call, asked: TakeName) -> Done:
    """PATCH /share/name."""
    call.services.names.modify(asked.namespace_token, asked.name, call.principal, reserved=asked.reserved)
    return OK


@reads(TakeName)
def delete(call: Call, asked: TakeName) -> Done:
    """DELETE /share/name."""
    call.services.names.delete(asked.namespace_token, asked.name, call.principal)
    return OK


def listing(call: Call) -> Listed:
    """GET /share/names and /share/names/{namespace_token}."""
    found = call.services.names.list(call.principal, call.path.get("namespace_token"))
    return Listed(lambda: [answers.name_to_wire(name) for name in found])


def namespaces(call: Call) -> Found:
    """GET /share/namespaces."""
    found = call.services.names.namespaces(call.principal)
    return Found([answers.namespace_to_wire(namespace) for namespace in found])
