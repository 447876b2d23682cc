"""Fields that belong to one connection only. Source: RFC 9110 §7.6.1."""

from __future__ import annotations

from typing import TypeVar

from zrokd.errors import MessageError
from zrokd.model.block import Block, Fields, remembered
from zrokd.model.http import RequestHead, ResponseHead

Head = TypeVar("Head", RequestHead, ResponseHead)

HOPS = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"upgrade",
    }
)
_NEEDED = frozenset({b"host", b"content-length", b"transfer-encoding"})
_NO_TOKENS: frozenset[bytes] = frozenset()
_USUAL = {value: frozenset([value.lower()]) for value in (b"keep-alive", b"Keep-Alive", b"close", b"Close")}
_UPGRADE: Fields = ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"))


def hop_by_hop(head: Head) -> Head:
    """The head without its hop-by-hop fields and without what Connection nominates; call it before adding own fields.

    A websocket upgrade stays, as exactly `Connection: Upgrade` and `Upgrade: websocket`; other protocols (h2c) do not.
    Content-Length and Transfer-Encoding stay too: who frames the body replaces them. Idempotent.

    :raises MessageError: 400: Connection nominates Host, Content-Length or Transfer-Encoding.
    """
    return head.having(without_hops(head.block))


@remembered
def without_hops(block: Block) -> Block:
    """As `hop_by_hop`, of a block."""
    if block.index.keys().isdisjoint(HOPS):
        return block
    nominated = connection_tokens(block)
    if nominated & _NEEDED:
        raise MessageError(400, "Connection nominates a field that every hop needs")
    upgrade = b"upgrade" in nominated and (block.get(b"upgrade") or b"").lower() == b"websocket"
    return block.edited(HOPS | nominated, _UPGRADE if upgrade else ())


def connection_tokens(block: Block) -> frozenset[bytes]:
    """What the Connection fields say, in lower case."""
    if b"connection" not in block.index:
        return _NO_TOKENS
    values = block.all(b"connection")
    if len(values) == 1 and values[0] in _USUAL:
        return _USUAL[values[0]]
    return frozenset([token.strip(b" \t").lower() for value in values for token in value.split(b",")])


def keeps_alive(head: RequestHead | ResponseHead) -> bool:
    """Whether its sender wants to use the connection again. Source: RFC 9112 §9.3."""
    return persists(head.block, head.minor)


@remembered
def persists(block: Block, minor: int) -> bool:
    """As `keeps_alive`, of a block."""
    tokens = connection_tokens(block)
    return b"close" not in tokens and (minor > 0 or b"keep-alive" in tokens)


def wants_websocket(head: RequestHead | ResponseHead) -> bool:
    """Whether a head asks for, or grants, a websocket. It went through `hop_by_hop`, which leaves no other upgrade."""
    return b"upgrade" in head.names
