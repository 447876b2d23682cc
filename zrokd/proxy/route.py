"""The decision for one request: which share answers it. Pure: by the Host alone, never by path, cookie or query."""

from __future__ import annotations

from zrokd.errors import MessageError, NotFound, Unavailable, UsedUp
from zrokd.model.block import Block, remembered
from zrokd.model.http import RequestHead, Route
from zrokd.model.naming import canonical_host
from zrokd.proxy.mapping import MappingTable


def route(head: RequestHead, table: MappingTable) -> Route:
    """Where this request goes.

    :raises MessageError: 400, the Host is missing or no host name. Source: RFC 9112 §3.2.
    :raises NotFound: nothing is shared under this name.
    :raises UsedUp: what is shared has had all the bytes that it may have for now.
    :raises Unavailable: no names were ever heard of, so nobody can say what is shared.
    """
    host = _host(head.block)
    if not host:
        raise MessageError(400, "the Host field is missing or not a host name")
    found = table.route(host)
    if found is not None:
        return found
    if not table.loaded:
        raise Unavailable("this frontend has not heard from its controller yet")
    mapping = table.at(host)
    if mapping is not None:
        raise UsedUp(f"share {mapping.token} has used up its bytes")
    raise NotFound(f"nothing is shared under {host!r}")


@remembered
def _host(block: Block) -> str:
    return canonical_host((block.get(b"host") or b"").decode("latin-1"))
