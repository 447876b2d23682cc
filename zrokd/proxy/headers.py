"""Which fields pass a frontend. What visitors may not say is dropped first; what we say is added after."""

from __future__ import annotations

from collections.abc import Iterable

from zrokd.errors import MessageError
from zrokd.model.block import Block, Fields, remembered
from zrokd.model.http import RequestHead
from zrokd.net.http1.hops import without_hops

_PSEUDONYM = b"zrokd"
_HOP = {minor: b"1.%d %s" % (minor, _PSEUDONYM) for minor in (0, 1)}
_MOST_HOPS = 10
# What frontends tell shares about visitors. Source: zrok's frontends add them, and let visitors forge them.
_OURS = frozenset([b"via", b"x-proxy"])
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
    return head.having(_inbound(head.block, head.minor))


@remembered
def _inbound(block: Block, minor: int) -> Block:
    block, via = without_hops(block), _HOP[minor]
    if b"via" in block.index:
        hops = _hops(block)
        if sum(_is_ours(hop) for hop in hops) >= _MOST_HOPS:
            raise MessageError(508, "the request goes in circles")
        via = b", ".join([*hops, via])
    return block.edited(_forged(block.index), ((b"Via", via), (b"X-Proxy", b"zrok")))


def with_identity(head: RequestHead, fields: Fields, drop: tuple[bytes, ...] = ()) -> RequestHead:
    """`head` with what a gate found out about the visitor, and without what it used up (credentials)."""
    return head.edited(frozenset([name.lower() for name in (*drop, *(name for name, _ in fields))]), fields)


def _forged(names: Iterable[bytes]) -> frozenset[bytes]:
    """Those of `names` that may not pass. Nearly always none, which one look at all of them together tells."""
    together = b" ".join(names)
    if b"_" in together or _OURS_PREFIX in together:
        return frozenset([name for name in names if not _may_pass(name)])
    return _OURS


def _may_pass(name: bytes) -> bool:
    folded = name.replace(b"_", b"-")
    if folded in _OURS or folded.startswith(_OURS_PREFIX):
        return False
    return b"_" not in name or folded not in _TWINS


def _hops(block: Block) -> list[bytes]:
    return [hop.strip() for value in block.all(b"via") for hop in value.split(b",") if hop.strip()]


def _is_ours(hop: bytes) -> bool:
    return hop.split(b" ")[1:2] == [_PSEUDONYM]
