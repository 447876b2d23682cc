"""Tells shares who the visitor is: X-Forwarded-For, -Proto, -Host, X-Real-IP and Forwarded, as true as we know it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import Filter, NetworkSetting, Settings
from zrokd.model.block import Block, Fields, remembered_apart
from zrokd.model.http import RequestHead, Route
from zrokd.net.http1.origin import IpAddress, claimed, host_of, origin, parsed

_REAL = b"x-real-ip"
_LONGEST_HOST = 512  # of several proxies, too. Source: RFC 1035 §2.3.4, a name has 255 octets at most
_MANAGED_PREFIX = b"x-forwarded-"
_MANAGED = frozenset([_REAL, b"forwarded"])


class ForwardedSettings(Settings):
    """Settings of filter.forwarded."""

    trusted_proxies: list[NetworkSetting] = Field(
        default=[],
        description="Addresses or networks of reverse proxies in front of this frontend, like 10.0.0.0/8. "
        "What they say about a visitor is believed; what anybody else says is overwritten.",
    )


class ForwardedFilter(Filter):
    """Overwrites forwarding fields, or continues the chain of a trusted proxy. Source: RFC 7239, RFC 9110 §7.6.3."""

    name = "forwarded"
    Settings = ForwardedSettings

    def __init__(self, settings: ForwardedSettings, ctx: Any) -> None:
        super().__init__(settings, ctx)
        self._trusted = [ipaddress.ip_network(text, strict=False) for text in settings.trusted_proxies]

    def on_request(self, head: RequestHead, route: Route, peer: str) -> RequestHead:  # noqa: ARG002
        """`head` with these fields set by us alone, and without their `_` twins."""
        address, text = _seen(peer)
        if address is not None and self._trusts(address):
            return head.edited(_managed(head.names), self._continued(head, address))
        return head.having(_told(head.block, text, head.secure))

    def _continued(self, head: RequestHead, address: IpAddress) -> Fields:
        chain = (*claimed(head), address)
        return _fields(
            tuple([str(address) for address in chain]),
            str(origin(chain, self._trusts)),
            _one_of(head.get(b"x-forwarded-proto"), _proto(head.secure), b"http", b"https"),
            _said_host(head) or head.get(b"host") or b"",
        )

    def _trusts(self, address: IpAddress) -> bool:
        return bool(self._trusted) and any(address in network for network in self._trusted)


@lru_cache(maxsize=1024)
def _seen(peer: str) -> tuple[IpAddress | None, str]:
    """The address of a connection, and its text; (None, "") for a UNIX socket."""
    return _address(host_of(peer))


@lru_cache(maxsize=1024)
def _address(host: str) -> tuple[IpAddress | None, str]:
    address = parsed(host)
    return address, "" if address is None else str(address)


@remembered_apart
def _told(block: Block, text: str, secure: bool) -> Block:  # noqa: FBT001
    """`block` with what we know of the visitor in the place of what it says."""
    fields = _fields((text,) if text else (), text, _proto(secure), block.get(b"host") or b"")
    return block.edited(_managed(block.index), fields)


def _proto(secure: bool) -> bytes:  # noqa: FBT001
    return b"https" if secure else b"http"


def _said_host(head: RequestHead) -> bytes:
    """The host that a proxy was asked for; what is too long for one is none: it would be kept, three times over."""
    said = head.get(b"x-forwarded-host") or b""
    return said if len(said) <= _LONGEST_HOST else b""


def _one_of(value: bytes | None, default: bytes, *others: bytes) -> bytes:
    return value if value in others else default


def _managed(names: Iterable[bytes]) -> frozenset[bytes]:
    """Those of `names` that are ours to set. Often none, which one look at all of them together tells."""
    together = b" ".join(names)
    if b"forwarded" in together or b"real" in together:
        return frozenset([name for name in names if _is_managed(name.replace(b"_", b"-"))])
    return _MANAGED


def _is_managed(folded: bytes) -> bool:
    return folded in _MANAGED or folded.startswith(_MANAGED_PREFIX)


@lru_cache(maxsize=256)
def _fields(chain: tuple[str, ...], address: str, proto: bytes, host: bytes) -> Fields:
    """`chain`: addresses, the visitor's claim first, the peer last. `address`: whom we believe to be the visitor."""
    about_peer, nodes = _about(chain, address)
    told = host.replace(b"\\", b"").replace(b'"', b"")
    return (
        *about_peer,
        (b"X-Forwarded-Proto", proto),
        (b"X-Forwarded-Host", host),
        (b"Forwarded", b'%s;host="%s";proto=%s' % (nodes, told, proto)),
    )


@lru_cache(maxsize=1024)
def _about(chain: tuple[str, ...], address: str) -> tuple[Fields, bytes]:
    """What the fields say of addresses. In Forwarded each has an element, and what we saw ourselves stands in the last.

    Source: RFC 7239 §4.
    """
    if not chain:
        return (), b"for=unknown"
    nodes = [f'for="[{text}]"' if ":" in text else f"for={text}" for text in chain]
    told = ((b"X-Forwarded-For", ", ".join(chain).encode()), (b"X-Real-IP", address.encode()))
    return told, ", ".join(nodes).encode()


@hookimpl
def zrokd_provide_filters() -> list[type[Filter]]:
    """The filter of this module."""
    return [ForwardedFilter]
