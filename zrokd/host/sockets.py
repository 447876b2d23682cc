"""Listening sockets: those handed over by the service manager, and new ones."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from zrokd.host.systemd import Inherited
from zrokd.model.units import Address
from zrokd.net.listening import listen


class Sockets:
    """Gives out listening sockets by address. Inherited ones as duplicates, so that a reload gets them again."""

    def __init__(self, inherited: Iterable[Inherited] = ()) -> None:
        self._inherited = list(inherited)
        self._used: set[Inherited] = set()

    def listen(self, address: Address) -> socket.socket:
        """A listening socket for `address`, which the caller closes. :raises StartError: it cannot be had."""
        for one in self._inherited:
            if one.matches(address):
                self._used.add(one)
                return one.sock.dup()
        return listen(address)

    def unused(self) -> list[Inherited]:
        """Inherited sockets that nobody asked for: visitors there would wait for ever."""
        return [one for one in self._inherited if one not in self._used]

    def close(self) -> None:
        """Close what was inherited. Idempotent."""
        while self._inherited:
            self._inherited.pop().sock.close()
