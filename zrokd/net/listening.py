"""Make listening sockets, and say what to do when that fails."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from gevent import socket as gsocket

from zrokd.errors import StartError
from zrokd.model.units import Address

_TCP_ADVICE = {
    errno.EADDRINUSE: "another program listens there; stop it (`ss -ltnp` names it) or choose another port",
    errno.EACCES: "ports below 1024 are kept back; choose a higher one or let the service manager open the socket",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}
_UNIX_ADVICE = {
    errno.EADDRINUSE: "another program listens there; stop it or choose another path",
    errno.EACCES: "its folder cannot be written to by this user",
    errno.ENOENT: "its folder does not exist; create it first",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
}


def listen(address: Address, backlog: int = 1024, *, reuse_port: bool = False) -> socket.socket:
    """A listening, non-blocking socket; the caller closes it. A UNIX socket that nobody serves is replaced.

    :raises StartError: says what is in the way and what to do.
    """
    sock = _open_unix(Path(address.path)) if address.path else _open_tcp(address, reuse_port=reuse_port)
    sock.listen(backlog)
    sock.setblocking(False)
    return sock


def listen_unix(path: str | os.PathLike[str], backlog: int = 1024, mode: int = 0o660) -> socket.socket:
    """As `listen`, for a UNIX socket with these permissions. Who may connect is said by `mode` from the start.

    :raises StartError: says what is in the way and what to do.
    """
    sock = _open_unix(Path(path))
    Path(path).chmod(mode)
    sock.listen(backlog)
    sock.setblocking(False)
    return sock


def _open_tcp(address: Address, *, reuse_port: bool) -> socket.socket:
    try:
        found = gsocket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise StartError(f"cannot listen on {address}: the name {address.host!r} does not resolve") from error
    family, kind, proto, _, name = found[0]
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(name)
    except OSError as error:
        sock.close()
        raise _refusal(address, error, _TCP_ADVICE) from error
    return sock


def _open_unix(path: Path) -> socket.socket:
    address = Address(path=str(path))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(str(path))
    except OSError as error:
        sock.close()
        raise _refusal(address, error, _UNIX_ADVICE) from error
    except StartError:
        sock.close()
        raise
    return sock


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody serves. :raises StartError: something else stands there."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise StartError(f"cannot listen on unix:{path}: a file that is no socket stands there; move it away")
    if not is_served(path):
        path.unlink(missing_ok=True)


def is_served(path: str | os.PathLike[str]) -> bool:
    """Whether a program listens on the UNIX socket at `path`. Never waits."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(os.fspath(path)) not in (errno.ECONNREFUSED, errno.ENOENT)


def _refusal(address: Address, error: OSError, advice: dict[int, str]) -> StartError:
    if "too long" in str(error):
        return StartError(f"cannot listen on {address}: the path of a UNIX socket may have 107 bytes; choose a shorter")
    return StartError(f"cannot listen on {address}: {advice.get(error.errno or 0, error.strerror or str(error))}")
