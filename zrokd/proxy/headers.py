"""Which fields pass a frontend. What visitors may not say is dropped first; what we say is added after."""

from __future__ import annotations

from dataclasses import replace

from zrokd.errors import MessageError
from zrokd.model.http import Fields, RequestHead
from zrokd.net.http1.hops import hop_by_hop

_PSEUDONYM = b"zrokd"
_MOST_HOPS = 10
# What frontends tell shares about visitors. Source: zrok's frontends add them, and let visitors forge them.
_OURS = frozenset([b"x-proxy"])
_OURS_PREFIX = b"zrok-auth-"
# Framing, routing and hops in a spelling that only those behind us might take for them.
_TWINS = frozenset(
    b"content-length http2-settings keep-alive proxy-authenticate proxy-authorization proxy-connection "
    b"transfer-encoding".split()
)


def inbound(head: RequestHead) -> RequestHead:
    """A visitor's head as a share may see it: no hop's own fields, nothing forged, `Via` and `X-Proxy` added.

    Field names with `_` for `-` count as the same name, because many servers fold them. Source: RFC 9110 §7.6.3.
    :raises MessageError: 400, it nominates a field every hop needs; 508, it went through ten frontends already.
    """
    head = hop_by_hop(head)
    via = _hops(head)
    if sum(_is_ours(hop) for hop in via) >= _MOST_HOPS:
        raise MessageError(508, "the request goes in circles")
    kept = tuple(field for field in head.fields if _may_pass(field[0]))
    return replace(head, fields=(*kept, (b"Via", b", ".join([*via, _hop(head)])), (b"X-Proxy", b"zrok")))


def with_identity(head: RequestHead, fields: Fields, drop: tuple[bytes, ...] = ()) -> RequestHead:
    """`head` with what a gate found out about the visitor, and without what it used up (credentials)."""
    bare = head.without(*drop, *(name for name, _ in fields))
    return replace(bare, fields=(*bare.fields, *fields))


def _may_pass(name: bytes) -> bool:
    folded = name.lower().replace(b"_", b"-")
    if folded == b"via" or folded in _OURS or folded.startswith(_OURS_PREFIX):
        return False
    return b"_" not in name or folded not in _TWINS


def _hops(head: RequestHead) -> list[bytes]:
    values = (value for name, value in head.fields if name.lower() == b"via")
    return [hop.strip() for value in values for hop in value.split(b",") if hop.strip()]


def _hop(head: RequestHead) -> bytes:
    return b"1.%d %s" % (head.minor, _PSEUDONYM)


def _is_ours(hop: bytes) -> bool:
    return hop.split(b" ")[1:2] == [_PSEUDONYM]
