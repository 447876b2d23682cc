"""Who asks, when a reverse proxy stands between."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


def client_address(peer: str, forwarded_for: str, *, trusted: Iterable[str]) -> str:
    """The address that asks: `peer`, or what trusted proxies (and this machine) say of whom they ask for.

    X-Forwarded-For is read from its end, as long as those who wrote it are trusted; what others wrote is not believed.
    """
    networks = [ipaddress.ip_network(one, strict=False) for one in trusted]
    address = peer
    for said in reversed(forwarded_for.split(",")):
        named = _parse(address)
        if named is not None and not (named.is_loopback or any(named in network for network in networks)):
            break
        if _parse(said.strip()) is None:
            break
        address = said.strip()
    return address


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None  # a UNIX socket has none
