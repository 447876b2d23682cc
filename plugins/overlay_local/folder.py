"""The folder of services and the folder of one service: names, rights, sockets, stale sockets."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import posix
import re
import secrets
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from zrokd.errors import NoTerminator, OverlayError, OverlayTimeout, UnknownService

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_BACKLOG = 4096
_SHARED = 0o2770
_HIDDEN = ".bind-"
_ACCESS = ".access-"
_SAID = "\0zrokd-"  # in the kernel's abstract names. Source: unix(7)
_LOCK_S = 2.0
_PAUSE_S = 0.01
# posix.close throughout: gevent's os.close keeps a folder open, and its lock held, until the hub turns.


def check_name(name: str) -> str:
    """`name`, when it can name a service or terminator. :raises UnknownService: nothing here can have that name."""
    if not _NAME.fullmatch(name):
        raise UnknownService(f"{name!r} cannot be the name of a service")
    return name


def trouble(action: str, path: Path, error: OSError) -> OverlayError:
    """What an operator needs to know when the folder cannot be used."""
    if error.errno in {errno.EACCES, errno.EPERM}:
        return OverlayError(f"may not {action} {path}: {_rights(path)}; join that group, or change it")
    return OverlayError(f"cannot {action} {path}: {error.strerror}")


def _rights(path: Path) -> str:
    while True:
        try:
            found = path.stat()
        except OSError:
            if path == path.parent:
                return "its rights cannot be read"
            path = path.parent
            continue
        try:
            group = grp.getgrgid(found.st_gid).gr_name
        except KeyError:
            group = str(found.st_gid)
        return f"{path} has mode {stat.S_IMODE(found.st_mode):04o} and group {group!r}, and we are not in it"


def said_by(address: object) -> str:
    """What the owner of a socket with this address told of itself when it dialled, or ""."""
    name = address.decode(errors="replace") if isinstance(address, bytes) else ""
    return name.removeprefix(_SAID).partition("-")[2] if name.startswith(_SAID) else ""


class Folder:
    """The folder that holds one folder a service."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self, group: str = "") -> None:
        """Make it, setgid and group-writable, when it is not there. :raises OverlayError: it cannot be made."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            make_shared(self.path, group)
        except OSError as error:
            raise trouble("make", self.path, error) from error

    @contextmanager
    def open(self, service: str) -> Iterator[Service]:
        """The folder of a service, open for the block. :raises UnknownService: there is none."""
        path = self.path / check_name(service)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UnknownService(f"no service {service!r} in {self.path}") from error
        except OSError as error:
            raise trouble("open", path, error) from error
        try:
            yield Service(service, path, descriptor)
        finally:
            posix.close(descriptor)


def make_shared(path: Path, group: str = "") -> bool:
    """Make a folder that its group shares (mode 2770); whether it is new. :raises OSError:"""
    try:
        with fresh_folder(path) as descriptor:
            if group:
                os.fchown(descriptor, -1, _gid(group))
    except FileExistsError:
        return False
    return True


@contextmanager
def fresh_folder(path: Path) -> Iterator[int]:
    """A descriptor of a new folder, ours alone in the block and shared with its group (mode 2770) after it.

    By descriptor throughout: those of the group may rename what is here, and put a link in its place.
    :raises OSError: also when it is there already.
    """
    path.mkdir(mode=0o700)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
        os.fchmod(descriptor, _SHARED)
    finally:
        posix.close(descriptor)


def _gid(group: str) -> int:
    if group.isascii() and group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise OSError(errno.ENOENT, f"there is no group {group!r} on this machine") from error


class Service:
    """The open folder of one service. Sockets are reached through its descriptor: a UNIX path holds 108 bytes only."""

    def __init__(self, name: str, path: Path, descriptor: int) -> None:
        self.name, self.path, self._descriptor = name, path, descriptor

    def sockets(self) -> list[str]:
        """Names of the bound terminators, stale ones included."""
        return [name for name in os.listdir(self._descriptor) if not name.startswith(".")]  # noqa: PTH208 - a descriptor

    def has_access(self, z_id: str) -> bool:
        """Whether an access of this identity's stands here."""
        return any(whose == z_id for whose, _ in self._accesses())

    def add_access(self, token: str, z_id: str) -> None:
        """Note an access. Idempotent. :raises OverlayError: we may not."""
        name, flags = f"{_ACCESS}{quote(z_id, safe='')}.{check_name(token)}", os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            posix.close(os.open(name, flags, 0o640, dir_fd=self._descriptor))
        except OSError as error:
            raise trouble("note an access in", self.path, error) from error

    def drop_access(self, token: str) -> None:
        """The opposite. Idempotent. :raises OverlayError: we may not."""
        for _, name in self._accesses():
            if name.rpartition(".")[2] == token:
                try:
                    os.unlink(name, dir_fd=self._descriptor)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise trouble("take an access from", self.path, error) from error

    def _accesses(self) -> list[tuple[str, str]]:
        """Whose each access is, and its name here."""
        names = [name for name in os.listdir(self._descriptor) if name.startswith(_ACCESS)]  # noqa: PTH208 - a descriptor
        return [(unquote(name[len(_ACCESS) :].rpartition(".")[0]), name) for name in names]

    def dial(self, terminators: list[str], timeout_s: float, caller: str) -> tuple[socket.socket, str]:
        """A connected socket to the first of these that answers, and its name. Stale ones are removed. May switch.

        `said_by` of the other end's peer address is `caller`.

        :raises NoTerminator: all are stale. :raises OverlayTimeout: those that live are too busy to answer.
        :raises OverlayError: we may not.
        """
        until = time.monotonic() + timeout_s
        while terminators:
            busy = []
            for name in terminators:
                sock, failure = self._connect(name, caller)
                if sock is not None:
                    return sock, name
                if self._is_busy(name, failure):
                    busy.append(name)
            terminators = busy
            if busy and time.monotonic() >= until:
                raise OverlayTimeout(f"those who serve {self.name!r} did not answer within {timeout_s:g} s")
            if busy:
                time.sleep(_PAUSE_S)
        raise NoTerminator(f"nobody serves {self.name!r} now")

    def _is_busy(self, name: str, failure: int) -> bool:
        if failure == errno.ECONNREFUSED:
            self._remove_stale(name)
        elif failure not in {errno.EAGAIN, errno.ENOENT}:
            raise trouble("dial", self.path / name, OSError(failure, os.strerror(failure)))
        return failure == errno.EAGAIN

    def _connect(self, name: str, caller: str) -> tuple[socket.socket | None, int]:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            # Without a word to say, a name that the kernel chooses: it tells who accepts in this process whose it is.
            sock.bind(f"{_SAID}{secrets.token_hex(8)}-{caller}" if caller else "")
            with self._entry(name) as path:
                # A full backlog is EAGAIN at once here; a blocking connect would wait for it without a limit.
                failure = sock.connect_ex(path)
        except OSError as error:
            failure = error.errno or errno.EIO
        if failure:
            sock.close()
            return None, failure
        return sock, 0

    def bind(self, terminator: str | None) -> tuple[socket.socket, str]:
        """A listening socket and its name in the folder. :raises OverlayError: taken, not allowed, or gone."""
        name = secrets.token_hex(8) if terminator is None else check_name(terminator)
        hidden = f"{_HIDDEN}{secrets.token_hex(8)}"
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Nobody sees the name before the socket listens: one that is bound but does not listen looks stale.
            sock.bind(self._socket_path(hidden))
            with self._entry(hidden) as path:
                Path(path).chmod(0o660)
            sock.listen(_BACKLOG)
            self._publish(hidden, name)
        except OSError as error:
            sock.close()
            raise trouble("bind in", self.path, error) from error
        except OverlayError:
            sock.close()
            raise
        finally:
            self._unlink(hidden)
        return sock, name

    def _publish(self, hidden: str, name: str) -> None:
        self._sweep()
        try:
            os.link(hidden, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor, follow_symlinks=False)
        except FileExistsError as error:
            raise OverlayError(f"terminator {name!r} of {self.name!r} is bound already") from error

    def _sweep(self) -> None:
        """Remove what processes that were killed left here; a dial meets it only now and then."""
        for name in os.listdir(self._descriptor):  # noqa: PTH208 - a descriptor
            if name.startswith(_HIDDEN) or not name.startswith("."):
                self._remove_stale(name)

    def unbind(self, name: str) -> None:
        """Take a socket away. Idempotent."""
        self._unlink(name)

    def inode(self, name: str) -> int:
        """What tells this socket from another of the same name; 0: there is none."""
        try:
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_ino
        except OSError:
            return 0

    def _remove_stale(self, name: str) -> None:
        """Remove a socket whose process is gone; the lock keeps us from removing one that was bound anew meanwhile."""
        with self._lock():
            if self._is_stale(name):
                self._unlink(name)

    def _is_stale(self, name: str) -> bool:
        """Whether no process holds it. A datagram socket asks: one that lives refuses its type, and nobody is woken."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                with self._entry(name) as path:
                    return probe.connect_ex(path) == errno.ECONNREFUSED
            except OSError:
                return False

    @contextmanager
    def _lock(self) -> Iterator[None]:
        until = time.monotonic() + _LOCK_S
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._descriptor)
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > until:
                        raise OverlayTimeout(f"{self.path} is locked by another process") from error
                    time.sleep(_PAUSE_S)
            yield
        finally:
            posix.close(descriptor)

    def _unlink(self, name: str) -> None:
        # A socket we may not remove is left to those who may; it is passed over at every dial.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            os.unlink(name, dir_fd=self._descriptor)

    @contextmanager
    def _entry(self, name: str) -> Iterator[str]:
        """A path to the socket of this name, whatever is put in its place meanwhile.

        :raises FileNotFoundError: none is there, or what is there is no socket: a link would lead us out of here.
        """
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._descriptor)
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                raise FileNotFoundError(errno.ENOENT, "it is no socket", name)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            posix.close(descriptor)

    def _socket_path(self, name: str) -> str:
        return f"/proc/self/fd/{self._descriptor}/{name}"
