"""Dial and bind."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import random
import socket
import struct
import time
from collections.abc import Callable, Sequence
from weakref import WeakValueDictionary

from zrokd.contracts import Caller, Listener, Node, Stream
from zrokd.errors import OverlayError, StreamClosed, UnknownService
from zrokd.net.twins import TwinStream

from .folder import Folder, said_by
from .guests import Guests

_LOOK_S = 1.0  # how often a listener looks whether its socket is still there
_PAUSE_S = 0.1
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PASSING = {errno.ECONNABORTED, errno.EINTR, errno.EAGAIN}
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid; Source: unix(7), SO_PEERCRED
_DIALLED: WeakValueDictionary[object, TwinStream] = WeakValueDictionary()  # in this process, by their sockets' names


class LocalNode(Node):
    """A handle on the folder. Its rights decide who may bind and dial, but for accesses that were taken back."""

    def __init__(self, folder: Folder, log: logging.Logger, guests: Guests) -> None:
        self._folder, self._log, self._guests = folder, log, guests
        self._listeners: set[LocalListener] = set()

    def dial(self, service: str, *, terminator: str | None = None, timeout_s: float = 5.0, caller: str = "") -> Stream:
        """A stream to one of those who bind `service`, chosen at random."""
        with self._folder.open(service) as opened:
            self._guests.check(opened)
            names = [terminator] if terminator is not None else opened.sockets()
            random.shuffle(names)
            sock, name = opened.dial(names, timeout_s, caller)
        address = sock.getsockname()
        stream = _DIALLED[address] = TwinStream(sock, f"local:{service}")
        stream.terminator = name
        self._guests.add(service, stream)
        return stream

    def terminators(self, service: str) -> Sequence[str]:
        """All sockets of the service; some may be left over from processes that were killed, until they are dialled."""
        with self._folder.open(service) as opened:
            return opened.sockets()

    def bind(self, service: str, *, terminator: str | None = None) -> Listener:
        """Serve `service`."""
        with self._folder.open(service) as opened:
            sock, name = opened.bind(terminator)
            listener = LocalListener(
                self._folder, service, name, opened.inode(name), sock, self._log, self._listeners.discard
            )
        self._listeners.add(listener)
        return listener

    def close(self) -> None:
        """Close what was bound through it."""
        self._guests.close()
        for listener in list(self._listeners):
            listener.close()


class LocalListener(Listener):
    """One socket in a service's folder."""

    def __init__(
        self,
        folder: Folder,
        service: str,
        name: str,
        inode: int,
        sock: socket.socket,
        log: logging.Logger,
        on_close: Callable[[LocalListener], None],
    ) -> None:
        self._folder, self._service, self._name, self._inode = folder, service, name, inode
        self._sock, self._log, self._on_close, self._closed = sock, log, on_close, False
        self._waiting = False  # somebody is in accept
        self._late: list[tuple[socket.socket, object]] = []  # came before we unbound, and not yet given out
        sock.settimeout(_LOOK_S)

    def accept(self) -> tuple[Stream, Caller]:
        """The next stream. That the service was deleted is noticed within about a second."""
        while not self._closed:
            self._waiting = True
            try:
                return _given(*self._sock.accept())
            except TimeoutError:
                self._look()
            except OSError as error:
                self._recover(error)
            finally:
                self._waiting = False
        if self._late:
            return _given(*self._late.pop(0))
        raise StreamClosed(f"the listener of {self._service!r} was closed")

    def _look(self) -> None:
        if self._closed:
            return
        try:
            with self._folder.open(self._service) as service:
                found = service.inode(self._name) == self._inode
        except UnknownService as error:
            self.close()
            raise OverlayError(f"service {self._service!r} was deleted") from error
        if not found:
            self.close()
            raise OverlayError(f"our socket of service {self._service!r} was removed")

    def _recover(self, error: OSError) -> None:
        if self._closed or error.errno in _PASSING:
            return
        if error.errno not in _EXHAUSTED:
            self.close()
            raise OverlayError(f"the socket of service {self._service!r} broke: {error.strerror}") from error
        self._log.warning("cannot accept a stream of %s now: %s", self._service, error.strerror)
        time.sleep(_PAUSE_S)

    def close(self) -> None:
        """Unbind."""
        if self._closed:
            return
        self._closed = True
        self._on_close(self)
        # A folder that is gone took the socket along.
        with contextlib.suppress(OverlayError), self._folder.open(self._service) as service:
            if service.inode(self._name) == self._inode:
                service.unbind(self._name)
        if self._waiting:
            self._take_late()
        self._sock.close()

    def _take_late(self) -> None:
        """Save who dialled before the socket was gone; closing it would break their streams."""
        self._sock.settimeout(0.0)
        with contextlib.suppress(OSError):
            while True:
                self._late.append(self._sock.accept())


def _given(sock: socket.socket, address: object) -> tuple[Stream, Caller]:
    pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    caller = Caller(identity=f"uid:{uid}", address=f"pid:{pid}", said=said_by(address))
    stream = TwinStream(sock, caller.address)
    dialled = _DIALLED.get(address) if pid == os.getpid() else None
    if dialled is not None:
        stream.join(dialled)
    return stream, caller
