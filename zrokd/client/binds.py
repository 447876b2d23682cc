"""What backends of this host tell of their shares: a file each beside the environment, for `zrokd status`.

A process holds a lock as long as it lives, so what one that died left behind is known as such, and swept.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zrokd.client.files import read_json
from zrokd.errors import StartError

_LOCK, _DATA = ".lock", ".json"


def binds_folder(environment: Path, own: Path) -> Path:
    """Where they are: beside the environment; where that cannot be written, in `own`."""
    return (environment if os.access(environment, os.W_OK) else own) / "binds"


class BindsFile:
    """That of one process. Every call blocks a little, and raises OSError where the folder cannot be written."""

    def __init__(self, folder: Path, key: str) -> None:
        self._data, self._lock = folder / (key + _DATA), folder / (key + _LOCK)
        self._held: list[int] = []  # the descriptor of the lock
        self._ended = False

    def write(self, document: dict[str, Any]) -> None:
        """Put `document` there, whole. It need not outlive a power cut. After `remove`, or beside it, nothing stays."""
        if self._ended:
            return
        try:
            self._put(document)
        except FileNotFoundError:
            if not self._ended:
                raise
        finally:
            if self._ended:  # meanwhile, by another thread
                self._let_go()

    def remove(self) -> None:
        """Take it away. Idempotent."""
        self._ended = True
        if self._held:
            self._let_go()

    def _put(self, document: dict[str, Any]) -> None:
        if not self._held:
            self._hold()
        fresh = self._data.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file)
        fresh.replace(self._data)

    def _hold(self) -> None:
        self._lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._held.append(held)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _let_go(self) -> None:
        try:
            _sweep(self._lock)
        finally:
            with contextlib.suppress(IndexError):
                os.close(self._held.pop())


def read_binds(folder: Path) -> list[dict[str, Any]]:
    """What the processes that live tell. What one that died left is swept; what is damaged is left out."""
    return [document for lock in sorted(folder.glob("*" + _LOCK)) if (document := _read(lock)) is not None]


def _read(lock: Path) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, StartError):
        if _is_held(lock):
            return read_json(lock.with_suffix(_DATA))
    return None


def _is_held(lock: Path) -> bool:
    with _opened(lock) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        _sweep(lock)
        return False


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sweep(lock: Path) -> None:
    for path in (lock.with_suffix(_DATA), lock.with_suffix(".new"), lock):
        path.unlink(missing_ok=True)
