"""Accept connections and give each its greenlet."""

from __future__ import annotations

import _socket
import errno
import logging
import socket
from collections.abc import Callable
from typing import Any

import gevent
from gevent import Greenlet

from zrokd.contracts import Scales
from zrokd.errors import StreamError
from zrokd.model.units import Address
from zrokd.net.crew import Crew
from zrokd.net.faults import faults
from zrokd.net.stream import SocketStream, find_dead_peers
from zrokd.net.turns import give_way
from zrokd.net.waiter import Waiter

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PASSING = frozenset({errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.EINTR, errno.ECONNRESET})
_ACCEPTS_PER_TURN = 64  # then the connections accepted so far get their turn
_YIELD_S = 0.002  # in which a lighter process takes a connection, if it runs just then
_YIELDS = 16  # to one that does not; fewer to one that did not the last time either
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.5


class Listener:
    """Accepts on `sock`, which it takes over, and runs `handle(stream)` in a greenlet each.

    The stream is closed when `handle` returns. Out of descriptors or at `limit` connections, new ones wait in the
    kernel's backlog.
    """

    def __init__(
        self,
        sock: socket.socket,
        handle: Callable[[SocketStream], None],
        *,
        log: logging.Logger,
        limit: int = 10000,
        scales: Scales | None = None,
        name: str = "listener",
    ) -> None:
        """`scales`: of the processes that accept on this socket; the heaviest leaves new connections to the others."""
        self.name = name
        self._scales = scales
        self.accepted = 0  # connections since the start
        self._handle = handle
        self._log = log
        self._yields = _YIELDS
        self._crew = Crew(self._serve, limit)
        self._loop: Any = None
        self._family, self._type, self._proto = sock.family, sock.type, sock.proto
        self._sock = _socket.socket(sock.family, sock.type, sock.proto, sock.detach())
        self._sock.setblocking(False)
        find_dead_peers(self._sock)
        self._address = _address(self._sock.getsockname())

    @property
    def address(self) -> Address:
        """Where it listens; the real port when 0 was asked for."""
        return self._address

    def fileno(self) -> int:
        """The listening socket's descriptor; -1 once it is closed."""
        return self._sock.fileno()

    @property
    def active(self) -> int:
        """Connections being handled now."""
        return len(self._crew)

    @property
    def accepting(self) -> bool:
        """Whether its accept loop runs."""
        return self._loop is not None and not self._loop.dead

    def start(self) -> None:
        """Begin to accept. Does not switch greenlets."""
        self._loop = Greenlet.spawn(self._accept_loop)
        self._weigh()

    def stop(self) -> None:
        """Accept no more and close the socket; connections live on. Idempotent. Switches greenlets."""
        if self.accepting and self._scales is not None:
            self._scales.leave()
        if self._loop is not None:
            self._loop.kill()
        self._sock.close()
        self._crew.dismiss()

    def drain(self, deadline_s: float) -> bool:
        """Wait until the handlers ended, `deadline_s` seconds at most; whether they did. Switches greenlets."""
        return self._crew.wait(deadline_s)

    def close(self) -> None:
        """Stop, and kill what is left. Idempotent. Switches greenlets."""
        self.stop()
        self._crew.kill()

    def _accept_loop(self) -> None:
        waiter = Waiter(self._sock.fileno(), Waiter.READ)
        try:
            self._accept_with(waiter)
        finally:
            waiter.cancel()

    def _accept_with(self, waiter: Waiter) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            self._crew.wait_room()
            if self._scales is not None and self._scales.heavy:
                self._leave_to_lighter(self._scales)
            try:
                fd, where = self._sock._accept()  # type: ignore[attr-defined]  # noqa: SLF001
            except BlockingIOError:
                waiter.wait(None)
            except OSError as error:
                pause_s = self._after_failure(error, pause_s)
            else:
                pause_s = _FIRST_PAUSE_S
                self._begin(fd, where)

    def _leave_to_lighter(self, scales: Scales) -> None:
        """Wait until others carry as much, or do not seem to run."""
        for _ in range(self._yields):
            gevent.sleep(_YIELD_S)
            if not scales.heavy:
                self._yields = _YIELDS
                return
        self._yields = max(self._yields // 2, 1)

    def _after_failure(self, error: OSError, pause_s: float) -> float:
        """Wait when that helps; the next pause in seconds. :raises OSError: the listening socket itself is broken."""
        if error.errno in _PASSING:
            return pause_s
        if error.errno not in _EXHAUSTED:
            self._log.error("%s on %s stopped: %s", self.name, self.address, error)
            raise error
        if pause_s == _FIRST_PAUSE_S:
            self._log.warning("%s on %s pauses: %s; connections wait", self.name, self.address, error.strerror)
        gevent.sleep(pause_s)
        return min(pause_s * 2, _LONGEST_PAUSE_S)

    def _begin(self, fd: int, where: Any) -> None:
        sock = _socket.socket(self._family, self._type, self._proto, fd)
        try:
            stream = SocketStream(sock, _named(where) if where else str(self.address))
        except OSError:  # the peer is gone already
            sock.close()
            return
        self.accepted += 1
        self._crew.begin(stream)
        self._weigh()
        if self.accepted % _ACCEPTS_PER_TURN == 0:
            give_way()

    def _serve(self, stream: SocketStream) -> None:
        log = self._log
        try:
            self._handle(stream)
        except StreamError as error:
            log.debug("%s: %s", self.name, error)
        except faults():
            log.exception("%s: a connection from %s failed", self.name, stream.peer)
        finally:
            stream.close()
            self._weigh(gone=1)

    def _weigh(self, *, gone: int = 0) -> None:
        if self._scales is not None and self.accepting:
            self._scales.weigh(len(self._crew) - gone)


def _named(where: Any) -> str:
    """Who connects, as an Address would say it, which takes longer."""
    if isinstance(where, tuple) and ":" not in where[0]:
        return f"{where[0]}:{where[1]}"
    return str(_address(where))


def _address(name: Any) -> Address:
    """A socket's name as an address."""
    if isinstance(name, tuple):
        return Address(host=name[0], port=name[1])
    return Address(path=name.decode(errors="replace") if isinstance(name, bytes) else name)
