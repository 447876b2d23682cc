"""Several controllers on one database: who sweeps, what the dead left behind, and names that others changed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from zrokd.contracts import Task
from zrokd.errors import StoreError
from zrokd.net.signal import Bell
from zrokd.store import intents, meta, receipts
from zrokd.store.database import Store
from zrokd.store.peers import peers_of

_LEAVE_S = 3.0  # more than one use of the database takes


class Company:
    """This run among the controllers of its database. `attention` rings when we, the leader, should sweep now."""

    def __init__(self, store: Store, worker: str, news: Bell, log: logging.Logger) -> None:
        self.attention = Bell()
        self._store, self._worker, self._news, self._log = store, worker, news, log
        self._peers = peers_of(store.database, worker)
        self._version = -1  # of names, as we saw it last
        self._ending = Bell()
        self._tasks: list[Task] = []

    @property
    def leads(self) -> bool:
        """Whether the sweeps are ours."""
        return self._peers.leads

    def join(self) -> None:
        """Be seen by the others, and lead when nobody does. Switches greenlets. :raises StoreError: not now."""
        led = self.leads
        if self._store.offload(self._peers.beat) and not led and not self._store.alone:
            self._log.info("this controller leads: it sweeps")
            self.attention.ring()

    def stay(self, spawn: Callable[..., Task], beat_s: Callable[[], float], news_s: Callable[[], float]) -> None:
        """From now on join again every `beat_s` seconds, and look for names every `news_s`. Alone, there is no need."""
        if not self._store.alone:
            self._tasks = [
                spawn(self._repeat, self._beat, beat_s, name="beat"),
                spawn(self._repeat, self._look, news_s, name="news"),
            ]

    def leave(self) -> None:
        """Let somebody else lead. Idempotent. Switches greenlets."""
        self._ending.ring()
        if all(task.join(_LEAVE_S) for task in self._tasks):  # a session is for one thread at a time
            self._store.offload(self._peers.close)

    def _repeat(self, work: Callable[[], None], every_s: Callable[[], float]) -> None:
        while not self._ending.wait(0, every_s()):
            try:
                work()
            except StoreError as error:  # the storage tells that it is away; whoever asks is told, too
                self._log.debug("%s", error)

    def _beat(self) -> None:
        led = self.leads
        try:
            self.join()
        finally:
            if led and not self.leads:
                self._log.warning("this controller does not lead any more: its session with the database broke")
        if self.leads:
            self._take_over()

    def _take_over(self) -> None:
        others = self._store.read(_workers) - {self._worker}
        dead = self._store.offload(self._peers.dead, others) if others else set()
        left = self._store.write(_let_go, dead) if dead else 0
        if left:
            self._log.warning("a controller died at its work; we go on with it")
            self.attention.ring()

    def _look(self) -> None:
        version = self._store.read(meta.version)
        if version != self._version:
            self._version = version
            self._news.ring()


def _workers() -> set[str]:
    return intents.workers() | receipts.workers()


def _let_go(dead: set[str]) -> int:
    receipts.drop_of(dead)
    return intents.abandon_of(dead)
