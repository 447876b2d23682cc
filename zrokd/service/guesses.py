"""Who may try a password now: so that nobody guesses one, and its owner gets in while somebody tries."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from zrokd.contracts import Clock
from zrokd.service.attempts import Attempts

_HOUR_S = 3600.0
_LONGEST = 320  # characters of a name that are told apart: memory is bounded
_MOST_KNOWN = 20_000  # names at places, in memory; those that were not there the longest are strangers again


@dataclass(slots=True)
class Try:
    """One try under way. Set `wrong` when it was a wrong password, `right` when it was not."""

    wrong: bool = False
    right: bool = False


class Guesses:
    """Counts tries by name and place, right ones taken back. A place is an address, or the /64 of an IPv6 one.

    Where somebody logged in before, only that place's own tries count; all other places together have ten an hour.
    """

    def __init__(self, clock: Clock) -> None:
        self._here = Attempts(clock, free=5)  # one name at one place
        self._place = Attempts(clock, free=50)
        self._strangers = Attempts(clock, free=10, first_s=_HOUR_S, most_s=_HOUR_S)  # one name at places unknown
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    @contextmanager
    def trying(self, name: str, address: str) -> Iterator[Try]:
        """Run the block, which finds out about a password. What is neither wrong nor right does not count.

        It counts from the beginning, so that many at once are no more than one after another.
        :raises TooMany: not now.
        """
        place, name = place_of(address), name[:_LONGEST]
        counts = [(self._here, (name, place)), (self._place, place)]
        if (name, place) not in self._known:
            counts.append((self._strangers, name))
        for attempts, key in counts:
            attempts.check(key)
        for attempts, key in counts:
            attempts.note(key)
        one = Try()
        try:
            yield one
        finally:
            if not one.wrong:
                for attempts, key in counts:
                    attempts.take_back(key)
        if one.right:
            self.welcome(name, address)

    def welcome(self, name: str, address: str) -> None:
        """Somebody proved there to be the one of this name: that place is known from now on."""
        who = (name[:_LONGEST], place_of(address))
        self._here.forgive(who)
        self._known[who] = None
        self._known.move_to_end(who)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)


def place_of(address: str) -> str:
    """What one person has: an IPv4 address, or the /64 that an IPv6 one is of; else the text as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
