"""What an identity reaches by accesses: the last one taken back ends its streams, and lets it dial no more."""

from __future__ import annotations

import time
from collections.abc import Callable
from weakref import WeakSet

from zrokd.contracts import Stream, Task
from zrokd.errors import OverlayError, UnknownService

from .folder import Folder, Service

_LOOK_S = 1.0


class Guests:
    """Of one identity. A service onto which it never had an access is left to the folder's rights."""

    def __init__(self, folder: Folder, z_id: str, spawn: Callable[..., Task]) -> None:
        self._folder, self._z_id, self._spawn = folder, z_id, spawn
        self._streams: dict[str, WeakSet[Stream]] = {}  # by each service onto which it had an access
        self._task: Task | None = None

    def check(self, service: Service) -> None:
        """Whether it may dial. :raises UnknownService: the accesses that it had were taken back."""
        if service.has_access(self._z_id):
            self._streams.setdefault(service.name, WeakSet())
        elif service.name in self._streams:
            raise UnknownService(f"the access to {service.name!r} was taken back")

    def add(self, service: str, stream: Stream) -> None:
        """A stream that was dialled after `check`: it ends with the access, if there is one, in about a second."""
        if service not in self._streams:
            return
        self._streams[service].add(stream)
        if self._task is None:
            self._task = self._spawn(self._run, name="accesses of the local overlay")

    def close(self) -> None:
        """Look no more; streams live on. Idempotent."""
        if self._task is not None:
            self._task.kill()

    def _run(self) -> None:
        try:
            while any(self._streams.values()):
                time.sleep(_LOOK_S)
                for service, streams in list(self._streams.items()):
                    if streams and self._is_over(service):
                        _end(streams)
        finally:
            self._task = None

    def _is_over(self, service: str) -> bool:
        try:
            with self._folder.open(service) as opened:
                return not opened.has_access(self._z_id)
        except UnknownService:
            return True
        except OverlayError:
            return False  # who dials next is told what ails the folder


def _end(streams: WeakSet[Stream]) -> None:
    for stream in list(streams):
        stream.abort()
    streams.clear()
