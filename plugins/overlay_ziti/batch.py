"""Many greenlets that look for something by its name ask together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Generic, TypeVar

from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore

T = TypeVar("T")


class Batch(Generic[T]):
    """One query at a time. What is looked for meanwhile is looked for by the next one, all of it at once."""

    def __init__(self, query: Callable[[list[str]], Mapping[str, T]], most: int) -> None:
        """`query` gives what there is by those names, of which there are `most` at most."""
        self._query, self._most = query, most
        self._wanted: dict[str, AsyncResult[T | None]] = {}
        self._turn = BoundedSemaphore()

    def get(self, name: str) -> T | None:
        """What has that name. Switches greenlets, and raises what the query raises.

        The first to come asks for all. When that one is killed, the next does.
        """
        mine = self._wanted.setdefault(name, AsyncResult())
        with self._turn:
            while not mine.ready():
                self._ask()
        found: T | None = mine.get()
        return found

    def _ask(self) -> None:
        asked = dict(islice(self._wanted.items(), self._most))
        try:
            found = self._query(list(asked))
        except Exception as error:  # noqa: BLE001 - theirs to see
            for result in self._gone(asked):
                result.set_exception(error)
        else:
            for name, result in zip(asked, self._gone(asked), strict=True):
                result.set(found.get(name))

    def _gone(self, asked: Mapping[str, AsyncResult[T | None]]) -> list[AsyncResult[T | None]]:
        return [self._wanted.pop(name) for name in asked]
