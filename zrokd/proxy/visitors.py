"""How many connections one address may hold, so that one visitor cannot take all of them."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


class Visitors:
    """Counts open connections per IPv4 address or IPv6 /64. Never switches greenlets.

    Not counted: this machine itself and `exempt` networks, behind which many visitors may stand.
    """

    def __init__(self, limit: int, exempt: Iterable[str] = ()) -> None:
        self._open: Counter[_Network] = Counter()
        self.change(limit, exempt)

    def change(self, limit: int, exempt: Iterable[str]) -> None:
        """Count by these from now on; connections that are open stay."""
        self._limit = limit
        self._exempt = [ipaddress.ip_network(text, strict=False) for text in exempt]

    @contextmanager
    def enter(self, peer: str) -> Iterator[bool]:
        """Count a connection from `peer` while the block runs. Whether there was room for it."""
        place = self._place(peer)
        if place is None:
            yield True
            return
        self._open[place] += 1
        try:
            yield self._open[place] <= self._limit
        finally:
            self._open[place] -= 1
            if not self._open[place]:
                del self._open[place]

    def has_room(self, peer: str) -> bool:
        """Whether one more connection from `peer` would be welcome."""
        place = self._place(peer)
        return place is None or self._open[place] < self._limit

    def trusts(self, peer: str) -> bool:
        """Whether `peer` is in an exempt network."""
        address = parse_peer(peer)
        return address is not None and any(address in network for network in self._exempt)

    def _place(self, peer: str) -> _Network | None:
        address = parse_peer(peer)
        if address is None or address.is_loopback or any(address in network for network in self._exempt):
            return None
        return ipaddress.ip_network((address, 64 if address.version == 6 else 32), strict=False)


def parse_peer(peer: str) -> _Address | None:
    """The address in a stream's `peer` ("1.2.3.4:80", "[::1]:80"), IPv4 taken out of IPv6; None: it has none."""
    bare = peer[1:].partition("]")[0] if peer.startswith("[") else peer.rpartition(":")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
