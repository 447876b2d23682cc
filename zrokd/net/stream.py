"""Streams over kernel sockets.

The socket is a raw, non-blocking one: a system call is tried first and the hub is entered only when it would block.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import socket
import struct
import time
from typing import Any

import gevent
from gevent import monkey
from gevent import socket as gsocket

from zrokd.contracts.overlay import Stream
from zrokd.errors import StreamClosed, StreamError, StreamTimeout
from zrokd.model.units import Address, is_host
from zrokd.net.pipes import Pipe
from zrokd.net.waiter import Waiter

# The patched one would enter the hub; ours only looks.
_Poll: Any = monkey.get_original("select", "poll")
_ANYTHING = select.POLLIN | select.POLLRDHUP  # errors are told of in any case
_SPLICE = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_UNIX_RETRY_S = 0.02
# Begin after 30 s of silence, and give up after three probes without an answer, 15 s apart.
_PROBES = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 3))


def _adopt(sock: socket.socket | _socket.socket) -> _socket.socket:
    """The bare socket behind `sock`, which is of no more use."""
    raw = sock
    if type(sock) is not _socket.socket:
        raw = _socket.socket(sock.family, sock.type, sock.proto, sock.detach())
    raw.setblocking(False)
    return raw


class SocketStream(Stream):
    """A stream over a connected socket (TCP, UNIX, socketpair), which it takes over."""

    def __init__(self, sock: socket.socket | _socket.socket, peer: str = "") -> None:
        self.peer = peer
        self._sock = _adopt(sock)
        self._closed = False
        self._ended = False
        self._readable: Waiter | None = None
        self._writable: Waiter | None = None
        self._look: Any = None
        if self._sock.family != socket.AF_UNIX:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __repr__(self) -> str:
        return f"<SocketStream {self.peer or 'unnamed'} fd={self.fileno()}>"

    # -- reading ---

    def recv(self, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """As the contract says."""
        while True:
            try:
                return self._sock.recv(max_bytes)
            except BlockingIOError:
                self._await_readable(timeout_s)
            except OSError as error:
                raise self._broken(error) from error

    def recv_into(self, buffer: memoryview, timeout_s: float | None = None) -> int:
        """As the contract says."""
        while True:
            try:
                return self._sock.recv_into(buffer)
            except BlockingIOError:
                self._await_readable(timeout_s)
            except OSError as error:
                raise self._broken(error) from error

    def wait_readable(self, timeout_s: float | None = None) -> bool:
        """As the contract says. Enters the hub first: for when nothing can be there yet."""
        if self._closed:
            raise StreamClosed(f"{self._name()} was closed here")
        if self._readable is None:
            self._readable = Waiter(self._sock.fileno(), Waiter.READ)
        ready = self._readable.wait(timeout_s)
        if self._closed:
            raise StreamClosed(f"{self._name()} was closed here")
        return ready

    def _await_readable(self, timeout_s: float | None) -> None:
        if not self.wait_readable(timeout_s):
            raise StreamTimeout(f"{self._name()} sent nothing for {timeout_s:g} s")

    def is_idle(self) -> bool:
        """As the contract says."""
        if self._closed:
            return False
        if self._look is None:
            self._look = _Poll()
            self._look.register(self._sock.fileno(), _ANYTHING)
        return not self._look.poll(0)

    # -- writing ---

    def send(self, data: bytes | bytearray | memoryview, timeout_s: float | None = None) -> None:
        """As the contract says."""
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise self._broken(error) from error
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:], timeout_s)

    def send_some(self, data: bytes | bytearray | memoryview) -> int:
        """Hand over what the kernel takes at once; how many bytes that was. Never switches greenlets."""
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._broken(error) from error

    def _send_rest(self, rest: memoryview, timeout_s: float | None) -> None:
        while rest:
            self.wait_writable(timeout_s)
            rest = rest[self.send_some(rest) :]

    def wait_writable(self, timeout_s: float | None = None) -> None:
        """Wait until the kernel takes bytes. :raises StreamTimeout: it took none for `timeout_s` seconds."""
        if self._closed:
            raise StreamClosed(f"{self._name()} was closed here")
        if self._writable is None:
            self._writable = Waiter(self._sock.fileno(), Waiter.WRITE)
        ready = self._writable.wait(timeout_s)
        if self._closed:
            raise StreamClosed(f"{self._name()} was closed here")
        if not ready:
            raise StreamTimeout(f"{self._name()} took nothing for {timeout_s:g} s")

    # -- in the kernel ---

    def splice_some(self, pipe: Pipe, max_bytes: int) -> int | None:
        """Move bytes that are here into an empty pipe. How many; 0 at the end, None: none are here now. Never switches.

        :raises StreamError: the stream broke.
        """
        try:
            return os.splice(self._sock.fileno(), pipe.writer, max_bytes, flags=_SPLICE)
        except BlockingIOError:
            return None
        except (OSError, ValueError) as error:
            raise self._broken(error) from error

    def send_pipe(self, pipe: Pipe, count: int, timeout_s: float | None = None) -> None:
        """As `send`, the `count` bytes that a pipe holds."""
        while count:
            sent = self.drain_some(pipe, count)
            count -= sent
            if not sent:
                self.wait_writable(timeout_s)

    def drain_some(self, pipe: Pipe, count: int) -> int:
        """As `send_some`, of the `count` bytes that a pipe holds."""
        try:
            return os.splice(pipe.reader, self._sock.fileno(), count, flags=_SPLICE)
        except BlockingIOError:
            return 0
        except (OSError, ValueError) as error:
            raise self._broken(error) from error

    # -- ending ---

    def send_eof(self) -> None:
        """As the contract says."""
        if self._ended:
            return
        self._ended = True
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """As the contract says."""
        if self._closed:
            return
        self._closed = True
        for waiter in (self._readable, self._writable):
            if waiter is not None:
                waiter.cancel()
        self._sock.close()

    def abort(self) -> None:
        """As the contract says.

        A TCP peer sees a reset. A UNIX peer sees one only when bytes of its own were never read here, else an end:
        whoever must tell a cut message from a whole one needs framing there.
        """
        if not self._closed and self._sock.family != socket.AF_UNIX:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.close()

    def fileno(self) -> int:
        """As the contract says; -1 once closed."""
        return self._sock.fileno()

    def _name(self) -> str:
        return f"the stream {self.peer}" if self.peer else "the stream"

    def _broken(self, error: OSError | ValueError) -> StreamError:
        if self._closed or isinstance(error, ValueError) or error.errno == errno.EBADF:
            return StreamClosed(f"{self._name()} was closed here")
        return StreamError(f"{self._name()} broke: {error.strerror or error}")


def find_dead_peers(sock: socket.socket | _socket.socket) -> None:
    """Let the kernel end a TCP connection whose peer vanished without a word, after 75 s of silence.

    Sockets accepted from a listening one inherit it. Nothing happens to a UNIX socket, whose peer cannot vanish.
    """
    if sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _PROBES:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def connect(address: Address, timeout_s: float) -> SocketStream:
    """A stream to `address`; the caller closes it. Switches greenlets.

    :raises StreamTimeout: no answer within `timeout_s` seconds, the look-up of a name included.
    :raises StreamError: names address and reason; the OSError is its `__cause__`.
    """
    if address.path:
        return connect_unix(address.path, timeout_s)
    if not is_host(address.host):
        raise StreamError(f"cannot connect to {address}: {address.host!r} is no name of a host")
    try:
        sock = _connected(address, timeout_s)
    except TimeoutError as error:
        raise StreamTimeout(f"cannot connect to {address}: no answer within {timeout_s:g} s") from error
    except OSError as error:
        raise StreamError(f"cannot connect to {address}: {error.strerror or error}") from error
    find_dead_peers(sock)
    return SocketStream(sock, str(address))


def _connected(address: Address, timeout_s: float) -> socket.socket | _socket.socket:
    """A socket connected to a host. :raises TimeoutError: it takes too long. :raises OSError: it cannot be."""
    try:
        found = _socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:  # a name, for which gevent asks in a thread
        with gevent.Timeout(timeout_s, TimeoutError("no answer")):
            sock: socket.socket = gsocket.create_connection((address.host, address.port))
            return sock
    family, *_, place = found[0]
    raw = _socket.socket(family, socket.SOCK_STREAM)
    try:
        raw.setblocking(False)
        _connect_to(raw, place, timeout_s)
    except BaseException:
        raw.close()
        raise
    return raw


def _connect_to(sock: _socket.socket, place: Any, timeout_s: float) -> None:
    """As `_connected`. A peer that hangs up at once fails it, too: it may be gone before anybody looks."""
    fault = sock.connect_ex(place)
    if fault == errno.EINPROGRESS:
        waiter = Waiter(sock.fileno(), Waiter.WRITE)
        try:
            if not waiter.wait(timeout_s):
                raise TimeoutError("no answer")
        finally:
            waiter.cancel()
        fault = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if fault:
        raise OSError(fault, os.strerror(fault))


def connect_unix(path: str | os.PathLike[str], timeout_s: float) -> SocketStream:
    """A stream to the UNIX socket at `path`; the caller closes it. Switches greenlets only when its backlog is full.

    :raises StreamTimeout: its backlog stayed full for `timeout_s` seconds.
    :raises StreamError: names path and reason; the OSError is its `__cause__`.
    """
    sock = _socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        _connect_when_taken(sock, os.fspath(path), time.monotonic() + timeout_s)
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError):
            raise StreamError(f"cannot connect to unix:{os.fspath(path)}: {error.strerror or error}") from error
        raise
    return SocketStream(sock, f"unix:{os.fspath(path)}")


def _connect_when_taken(sock: _socket.socket, path: str, deadline: float) -> None:
    while True:
        try:
            return sock.connect(path)
        except BlockingIOError as error:  # the backlog is full, and no event tells when it is not
            if time.monotonic() >= deadline:
                raise StreamTimeout(f"cannot connect to unix:{path}: its backlog is full") from error
            gevent.sleep(_UNIX_RETRY_S)


def pair() -> tuple[SocketStream, SocketStream]:
    """Two streams connected to each other; the caller closes both."""
    left, right = _socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return SocketStream(left), SocketStream(right)
