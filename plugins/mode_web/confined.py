"""Find a file below a folder, whatever the path and the symbolic links in it say.

Each component is opened relative to the folder before it and links are followed by hand, so that nothing which changes
meanwhile leads outside. Blocks on the disk: call it off the hub.
posix.close: gevent's os.close would keep folders open until the hub turns.
"""

from __future__ import annotations

import os
import posix
import stat
from pathlib import Path

_MOST_LINKS = 40
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_ANY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Missing(Exception):
    """Nothing that may be shown has this path."""


class Forbidden(Exception):
    """It is there, and the rights of this process do not reach it."""


class Found:
    """An open file or folder below the root. Use it as a context manager, or close it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor  # O_PATH: good for openat and reopening, not for reading
        self.status = os.fstat(descriptor)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder; otherwise it is a regular file."""
        return stat.S_ISDIR(self.status.st_mode)

    def reopen(self) -> int:
        """A descriptor to read from; the caller closes it. :raises Forbidden: we may not."""
        try:
            return os.open(f"/proc/self/fd/{self.descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError as error:
            raise Forbidden from error

    def close(self) -> None:
        """Give it back. Idempotent."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            posix.close(descriptor)


def find(root: Path, segments: list[bytes], *, hidden: bool) -> Found:
    """What stands at `segments` below `root`; the caller closes it.

    :raises Missing: nothing, or a link that leads outside, a dot file (unless `hidden`), a device, a socket.
    :raises Forbidden: a folder on the way may not be entered.
    """
    try:
        with _Walk(root, hidden=hidden) as walk:
            walk.go(list(reversed(segments)))
            return walk.take()
    except PermissionError as error:
        raise Forbidden from error
    except OSError as error:
        raise Missing from error


class _Walk:
    """The chain of open folders from the root to where we are."""

    def __init__(self, root: Path, *, hidden: bool) -> None:
        self._hidden, self._links = hidden, 0
        self._chain = [os.open(root, _FOLDER)]
        self._real = os.path.realpath(os.fsencode(root))

    def __enter__(self) -> _Walk:
        return self

    def __exit__(self, *exc: object) -> None:
        for descriptor in self._chain:
            posix.close(descriptor)

    def go(self, todo: list[bytes]) -> None:
        """Walk the components, last first in `todo`."""
        while todo:
            name = todo.pop()
            if name in {b"", b"."}:
                continue
            if name == b"..":
                self._up()
            else:
                self._down(name, todo)

    def _up(self) -> None:
        if len(self._chain) == 1:
            raise Missing
        posix.close(self._chain.pop())

    def _down(self, name: bytes, todo: list[bytes]) -> None:
        if b"\0" in name or b"/" in name or (name.startswith(b".") and not self._hidden):
            raise Missing
        descriptor = os.open(name, _ANY, dir_fd=self._chain[-1])
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            posix.close(descriptor)
            todo.extend(self._link(name))
        else:
            self._chain.append(descriptor)

    def _link(self, name: bytes) -> list[bytes]:
        self._links += 1
        if self._links > _MOST_LINKS:
            raise Missing
        target = os.readlink(name, dir_fd=self._chain[-1])
        if target.startswith(b"/"):
            target = self._beneath(target)
        return list(reversed(target.split(b"/")))

    def _beneath(self, target: bytes) -> bytes:
        if target != self._real and not target.startswith(self._real + b"/"):
            raise Missing
        while len(self._chain) > 1:
            self._up()
        return target[len(self._real) :]

    def take(self) -> Found:
        """Where we are. :raises Missing: it is neither a file nor a folder."""
        mode = os.fstat(self._chain[-1]).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise Missing
        return Found(os.dup(self._chain[-1]))
