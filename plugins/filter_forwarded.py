"""Tells shares who the visitor is: X-Forwarded-For, -Proto, -Host, X-Real-IP and Forwarded, as true as we know it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import Filter, NetworkSetting, Settings
from zrokd.model.http import Fields, RequestHead, Route

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REAL = b"x-real-ip"
_MANAGED_PREFIX = b"x-forwarded-"
_MANAGED = frozenset([_REAL, b"forwarded"])


class ForwardedSettings(Settings):
    """Settings of filter.forwarded."""

    trusted_proxies: list[NetworkSetting] = Field(
        default=[],
        description="Addresses or networks of reverse proxies in front of this frontend, like 10.0.0.0/8. "
        "What they say about a visitor is believed; what anybody else says is overwritten.",
    )


@dataclass(frozen=True, slots=True)
class _Visitor:
    chain: tuple[str, ...]  # addresses, the visitor's claim first, the peer last
    address: str  # whom we believe to be the visitor
    proto: bytes
    host: bytes


class ForwardedFilter(Filter):
    """Overwrites forwarding fields, or continues the chain of a trusted proxy. Source: RFC 7239, RFC 9110 §7.6.3."""

    name = "forwarded"
    Settings = ForwardedSettings

    def __init__(self, settings: ForwardedSettings, ctx: Any) -> None:
        super().__init__(settings, ctx)
        self._trusted = [ipaddress.ip_network(text, strict=False) for text in settings.trusted_proxies]

    def on_request(self, head: RequestHead, route: Route, peer: str) -> RequestHead:  # noqa: ARG002
        """`head` with these fields set by us alone, and without their `_` twins."""
        visitor = self._visitor(head, _address(peer))
        kept = tuple(field for field in head.fields if not _is_managed(field[0]))
        return replace(head, fields=(*kept, *_fields(visitor)))

    def _visitor(self, head: RequestHead, peer: Address | None) -> _Visitor:
        host, proto = head.get(b"host") or b"", b"https" if head.secure else b"http"
        if peer is None:  # a UNIX socket: no address to tell
            return _Visitor((), "", proto, host)
        if not self._trusts(peer):
            return _Visitor((str(peer),), str(peer), proto, host)
        chain = (*_claimed(head), peer)
        return _Visitor(
            chain=tuple(str(address) for address in chain),
            address=str(self._rightmost_untrusted(chain)),
            proto=_one_of(head.get(b"x-forwarded-proto"), proto, b"http", b"https"),
            host=head.get(b"x-forwarded-host") or host,
        )

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)

    def _rightmost_untrusted(self, chain: tuple[Address, ...]) -> Address:
        return next((address for address in reversed(chain) if not self._trusts(address)), chain[0])


def _claimed(head: RequestHead) -> tuple[Address, ...]:
    """The addresses of X-Forwarded-For, from the right up to the first thing that is none."""
    values = (value for name, value in head.fields if name.lower() == b"x-forwarded-for")
    texts = [part.strip().decode("latin-1") for value in values for part in value.split(b",")]
    return tuple(reversed(list(_while_addresses(reversed(texts)))))


def _while_addresses(texts: Iterable[str]) -> Iterable[Address]:
    for text in texts:
        address = _address(text)
        if address is None:
            return
        yield address


def _address(text: str) -> Address | None:
    """The address in "1.2.3.4", "1.2.3.4:80", "::1" or "[::1]:80"; an IPv4 address mapped into IPv6 is taken out."""
    bare = text[1:].partition("]")[0] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _one_of(value: bytes | None, default: bytes, *others: bytes) -> bytes:
    return value if value in others else default


def _is_managed(name: bytes) -> bool:
    folded = name.lower().replace(b"_", b"-")
    return folded in _MANAGED or folded.startswith(_MANAGED_PREFIX)


def _fields(visitor: _Visitor) -> Fields:
    about_peer: Fields = (
        ((b"X-Forwarded-For", ", ".join(visitor.chain).encode()), (b"X-Real-IP", visitor.address.encode()))
        if visitor.chain
        else ()
    )
    return (
        *about_peer,
        (b"X-Forwarded-Proto", visitor.proto),
        (b"X-Forwarded-Host", visitor.host),
        (b"Forwarded", _forwarded(visitor)),
    )


def _forwarded(visitor: _Visitor) -> bytes:
    """One element per address; what we saw ourselves stands in the last. Source: RFC 7239 §4."""
    nodes = [f'for="[{text}]"' if ":" in text else f"for={text}" for text in visitor.chain] or ["for=unknown"]
    about = b';host="' + visitor.host.replace(b"\\", b"").replace(b'"', b"") + b'";proto=' + visitor.proto
    return ", ".join(nodes).encode() + about


@hookimpl
def zrokd_provide_filters() -> list[type[Filter]]:
    """The filter of this module."""
    return [ForwardedFilter]
