"""Who a visitor is, by what proxies in front of us tell. Source: RFC 7239, RFC 9110 §7.6.3."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from zrokd.model.http import RequestHead

IpAddress = IPv4Address | IPv6Address
_LONGEST = 45  # bytes of an address: of IPv4 in IPv6, with all digits
_MOST_CLAIMED = 32  # proxies that a visitor may have come through


def address_of(text: str) -> IpAddress | None:
    """The address in "1.2.3.4", "1.2.3.4:80", "::1" or "[::1]:80", IPv4 taken out of IPv6; None: it has none.

    The zone in "fe80::1%eth0" is left out: it is ours alone, and may hold any character.
    """
    host = host_of(text)
    return parsed(host) if len(host) <= _LONGEST else None  # nothing longer is kept


def host_of(text: str) -> str:
    """What stands before the port in what `address_of` takes: alike for all connections of one address."""
    bare = text[1:].partition("]")[0] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    return bare.partition("%")[0]


@lru_cache(maxsize=4096)
def parsed(host: str) -> IpAddress | None:
    """The address that `host_of` gives, IPv4 taken out of IPv6; None: it is none."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def claimed(head: RequestHead) -> tuple[IpAddress, ...]:
    """The last 32 addresses of X-Forwarded-For at most, from the right up to the first thing that is none.

    Whoever is not trusted writes the left of it as he likes, and what is made of it is kept for the next request.
    """
    texts = [part.strip().decode("latin-1") for value in head.all(b"x-forwarded-for") for part in value.split(b",")]
    return tuple(reversed(list(_while_addresses(reversed(texts[-_MOST_CLAIMED:])))))


def origin(chain: tuple[IpAddress, ...], trusts: Callable[[IpAddress], bool]) -> IpAddress:
    """Whom to believe to be the visitor: in a chain that ends with the peer, the last that is not trusted."""
    return next((address for address in reversed(chain) if not trusts(address)), chain[0])


def _while_addresses(texts: Iterable[str]) -> Iterable[IpAddress]:
    for text in texts:
        address = address_of(text)
        if address is None or "%" in text:
            return
        yield address
