"""How many connections one address may hold, so that one visitor cannot take all of them."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from zrokd.model.http import RequestHead
from zrokd.net.http1.origin import IpAddress, address_of, claimed, host_of, origin, parsed

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
        address = address_of(peer) if self._exempt else None
        return address is not None and self._exempts(address)

    def behind(self, peer: str, head: RequestHead) -> str:
        """Who the visitor behind a trusted `peer` is, as its `head` says: an address."""
        address = address_of(peer)
        return peer if address is None else str(origin((*claimed(head), address), self._exempts))

    def _exempts(self, address: IpAddress) -> bool:
        return any(address in network for network in self._exempt)

    def _place(self, peer: str) -> _Network | None:
        host = host_of(peer)
        if self._exempt and (address := parsed(host)) is not None and self._exempts(address):
            return None
        return _counted(host)


@lru_cache(maxsize=4096)
def _counted(host: str) -> _Network | None:
    """With whom it is counted; None: with nobody."""
    address = parsed(host)
    if address is None or address.is_loopback:
        return None
    return ipaddress.ip_network((address, 64 if address.version == 6 else 32), strict=False)
