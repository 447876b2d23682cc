"""The process that holds the vendor's library, and nothing else: it may crash or hang at any time, and be replaced.

    python -m zrokd_plugins.overlay_openziti.worker CONTROL IDENTITY

CONTROL is the number of a socket to the daemon; IDENTITY that of a file with the identity's JSON. It ends with the
daemon's end of the socket. Streams are sockets: the library copies between one end and the network, the other end goes
to the daemon.
"""

from __future__ import annotations

import _thread
import os
import resource
import socket
import sys
from functools import partial
from typing import Any

from .native import DialOptions, Identity, Library, LibraryError, ListenOptions, Loop
from .talk import MOST_BYTES, PROBE, pack, unpack

_BIND_S = 10


def _ignore(_status: int) -> None:
    """What becomes of the second of two."""


class Worker:
    """Does what the daemon says. Only `read` runs beside the loop."""

    def __init__(self, control: socket.socket, identity_file: str) -> None:
        self._control = control
        library = Library()
        self.loop = Loop(library)
        self._text_of = library.text_of
        self._refusing: set[int] = set()  # listeners that were unbound: this library leaves them in the network
        self._identity = Identity(library, self.loop, identity_file, self._ready, self._failed)

    def read(self) -> None:
        """Hand what the daemon says to the loop; ends the process with it."""
        while packet := self._control.recv(MOST_BYTES):
            said = unpack(packet)
            self.loop.later(partial(getattr(self, f"_do_{said.pop('do')}"), **said))
        os._exit(0)

    # -- what the daemon says ---

    def _do_ping(self, number: int) -> None:
        self._say({"number": number, "status": 0})

    def _do_refresh(self, number: int) -> None:
        self._identity.refresh()
        self._say({"number": number, "status": 0})

    def _do_dial(self, number: int, service: str, terminator: str, timeout_s: float, data: str) -> None:
        sent = data.encode()
        options = DialOptions(max(1, round(timeout_s)), terminator.encode() or None, sent or None, len(sent))

        def done(connection: int, status: int) -> None:
            if status:
                self._say({"number": number, "status": status, "text": self._text_of(status)})
            else:
                self._hand_over(connection, {"number": number, "status": 0})

        self._identity.dial(service, options, done)

    def _do_bind(self, number: int, service: str, terminator: str) -> None:
        options = ListenOptions(0, 0, 10, terminator.encode() or None, False)

        def status_is(status: int) -> None:
            self._say({"listener": number, "status": status, "text": self._text_of(status)})

        def client(connection: int, caller: str, data: bytes) -> None:
            if data.startswith(PROBE):
                self._say({"probe": data.decode(errors="replace")})
            if data.startswith(PROBE) or number in self._refusing:
                self._identity.close(connection)
                return
            message = {"listener": number, "caller": caller, "data": data.decode("latin-1")}
            self._identity.accept(connection, partial(self._accepted, connection, message))

        for name in {terminator, ""}:  # who dials without a name reaches only those without one
            options = ListenOptions(0, 0, _BIND_S, name.encode() or None, False)
            self._identity.listen(service, options, status_is if name == terminator else _ignore, client)

    def _accepted(self, connection: int, message: dict[str, Any], status: int) -> None:
        if status:
            self._identity.close(connection)
        else:
            self._hand_over(connection, message)

    def _do_unbind(self, number: int) -> None:
        self._refusing.add(number)

    # -- what the daemon is told ---

    def _ready(self) -> None:
        self._say({"ready": True})

    def _failed(self, text: str) -> None:
        self._say({"failed": text})

    def _hand_over(self, connection: int, message: dict[str, Any]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._identity.bridge(connection, ours.detach())
        with theirs:
            self._say(message, theirs.fileno())

    def _say(self, message: dict[str, Any], *descriptors: int) -> None:
        try:
            socket.send_fds(self._control, [pack(message)], list(descriptors))
        except OSError:
            os._exit(0)  # the daemon is gone


def main(arguments: list[str]) -> None:
    """Serve until the daemon goes. Ends with 3 when the library cannot be used."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    control = socket.socket(fileno=int(arguments[0]))
    control.setblocking(True)
    try:
        worker = Worker(control, f"/proc/self/fd/{int(arguments[1])}")
    except LibraryError as error:
        socket.send_fds(control, [pack({"failed": str(error), "for_good": True})], [])
        sys.exit(3)
    _thread.start_new_thread(worker.read, ())  # nothing is patched here: this is a thread, and the loop has the other
    worker.loop.run()


if __name__ == "__main__":
    main(sys.argv[1:])
