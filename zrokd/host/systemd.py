"""What the service manager is told, and what it hands over.

Source: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from itertools import zip_longest

from zrokd.errors import StartError
from zrokd.model.units import Address

_FIRST_FD = 3
_ANY = ("0.0.0.0", "::")  # noqa: S104  # to compare with, not to listen on


class Notifier:
    """Messages to the service manager; does nothing where there is none."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._path = "\0" + path[1:] if path.startswith("@") else path
        self._datagrams: socket.socket | None = None  # kept: a process out of descriptors could open no other
        self.watchdog_s = _watchdog_s(environ)

    def send(self, *lines: str) -> None:
        """Send one datagram. A manager that is gone is no reason to fail."""
        if not self._path:
            return
        with contextlib.suppress(OSError):
            if self._datagrams is None:
                self._datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._datagrams.setblocking(False)
            self._datagrams.sendto("\n".join(lines).encode(), self._path)

    def close(self) -> None:
        """Say nothing more. Idempotent."""
        self._path = ""
        if self._datagrams is not None:
            self._datagrams.close()
            self._datagrams = None

    def ready(self, status: str = "") -> None:
        """We serve."""
        self.send("READY=1", f"STATUS={' '.join(status.splitlines())}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """We drain."""
        self.send("STOPPING=1", "STATUS=draining")

    def watchdog(self) -> None:
        """We live."""
        self.send("WATCHDOG=1")


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Seconds between two signs of life that the manager asks of this process, or None."""
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6 or None


@dataclass(frozen=True, slots=True)
class Inherited:
    """A listening socket that the manager opened, and the name of its socket unit."""

    sock: socket.socket
    name: str
    address: Address | None = None  # what it was opened for, where that is known

    def __str__(self) -> str:
        return f"{self.sock.getsockname()} of {self.name}"

    def matches(self, address: Address) -> bool:
        """Whether it listens where `address` asks."""
        if self.address is not None:
            return address == self.address
        name = self.sock.getsockname()
        if address.path:
            return bool(self.sock.family == socket.AF_UNIX and name == address.path)
        if self.sock.family == socket.AF_UNIX or name[1] != address.port:
            return False
        return bool(name[0] == address.host or (name[0] in _ANY and address.host in _ANY))


def take_sockets(environ: MutableMapping[str, str]) -> list[Inherited]:
    """The listening sockets the manager handed over; the variables go, so that no child takes them for its own.

    :raises StartError: one of them does not listen for streams.
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if not count.isdigit() or pid != str(os.getpid()):
        return []
    numbers = range(_FIRST_FD, _FIRST_FD + int(count))
    return [_inherit(fd, name or "unknown") for fd, name in zip_longest(numbers, names[: len(numbers)])]


def _inherit(fd: int, name: str) -> Inherited:
    os.set_inheritable(fd, False)
    try:
        sock = socket.socket(fileno=fd)
        listens = sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise StartError(f"descriptor {fd} from the service manager is no socket: {error.strerror}") from error
    if not listens:
        sock.close()
        raise StartError(f"the socket {name} from the service manager is none that takes connections (Accept=no)")
    return Inherited(sock, name)
