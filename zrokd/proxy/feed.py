"""The loop that keeps a mapping table current: ask the controller what changed, wait there, take it, ask again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from zrokd.errors import Unavailable, ZrokdError
from zrokd.model.naming import MappingChanges
from zrokd.proxy.mapping import MappingTable, OutOfStep, Tokens

_WAIT_S = 25.0
_AT_ONCE_S = 1.0


class Source(Protocol):
    """Who knows the names: the controller, seen through its client."""

    def mappings(self, epoch: str, since: int, wait_s: float) -> MappingChanges:
        """What changed since a version, as soon as something did, or nothing after `wait_s` seconds.

        May switch greenlets. :raises ZrokdError: no answer, or not the one asked for.
        """


class Delays(Protocol):
    """How long to wait before the next try: longer each time, with jitter."""

    def next_s(self) -> float:
        """Seconds until the next try."""

    def reset(self) -> None:
        """It worked: start with short delays again."""


class Feed:
    """Keeps one table current for as long as `run` runs; the truth about its age for health."""

    def __init__(
        self,
        source: Source,
        table: MappingTable,
        delays: Delays,
        *,
        on_changed: Callable[[Tokens], object],
        log: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`on_changed` is told the tokens that went away, after every change; it must not switch greenlets."""
        self._source, self._table, self._delays = source, table, delays
        self._on_changed, self._log, self._clock, self._pause = on_changed, log, clock, pause
        self._heard_at: float | None = None
        self.away = ""  # why the controller does not answer now, or ""

    @property
    def age_s(self) -> float | None:
        """Seconds since the controller last answered; None: it never did since the start."""
        return None if self._heard_at is None else self._clock() - self._heard_at

    def run(self) -> None:
        """Ask for ever. Switches greenlets; ends by being killed."""
        wait_s = 0.0  # the first answer tells whether what we hold is current, so it is not waited for
        while True:
            wait_s = _WAIT_S if self.step(wait_s) else 0.0

    def step(self, wait_s: float) -> bool:
        """Ask once, and take what comes or wait out a delay. Whether the controller answered."""
        try:
            self._ask(wait_s)
        except ZrokdError as error:
            self._lost(error)
        except Exception as error:  # noqa: BLE001 - one unforeseen answer must not end the feed
            self._log.exception("the names could not be taken from the controller")
            self.away = f"the controller's answer cannot be used: {error}"
        else:
            self._heard()
            return True
        self._pause(self._delays.next_s())
        return False

    def _ask(self, wait_s: float) -> None:
        since, asked_at = self._table.version, self._clock()
        changes = self._source.mappings(self._table.epoch, since, wait_s)
        if wait_s and not changes.full and not changes.mappings and self._clock() - asked_at < _AT_ONCE_S:
            self._pause(_AT_ONCE_S)  # a controller that does not wait must not make us spin
        try:
            self._take(changes, since)
        except OutOfStep as error:
            self._log.warning("%s; asking for all names again", error)
            self._take(self._source.mappings("", 0, 0.0), 0)

    def _take(self, changes: MappingChanges, since: int) -> None:
        changed = changes.full or bool(changes.mappings)
        gone = self._table.apply(changes, since)
        if changed:
            self._on_changed(gone)

    def _lost(self, error: ZrokdError) -> None:
        reason = str(error)
        if not self.away:
            held = "serving the names known so far" if self._table.loaded else "no names are known"
            level = logging.WARNING if isinstance(error, Unavailable) else logging.ERROR
            self._log.log(level, "%s; %s meanwhile", reason, held)
        self.away = reason

    def _heard(self) -> None:
        if self.away:
            self._log.info("the controller is back, %d names", len(self._table))
        self.away = ""
        self._heard_at = self._clock()
        self._delays.reset()
