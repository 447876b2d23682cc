"""Tells the service manager that we live, as long as the hub turns."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from typing import Any

import gevent

from zrokd.host.greenlets import Greenlets, GreenletTask
from zrokd.host.systemd import Notifier
from zrokd.net.faults import faults

_BEAT_S = 0.5
_SLOW_S = 0.5


class Watchdog:
    """Measures how late the hub is, and feeds the manager's watchdog only where it was not late by half its period."""

    def __init__(self, notifier: Notifier, greenlets: Greenlets, log: logging.Logger) -> None:
        self._notifier, self._greenlets, self._log = notifier, greenlets, log
        self._task: GreenletTask | None = None
        self._before: Any = None  # what SIGCONT did before
        self._continued = False
        self.worst_lag_s = 0.0

    def start(self) -> None:
        """Begin."""
        with contextlib.suppress(ValueError):  # no signals outside of the main thread
            self._before = signal.signal(signal.SIGCONT, self._note_continued)
        self._task = self._greenlets.spawn(self._beat, name="watchdog")

    def stop(self) -> None:
        """End. Idempotent. Switches greenlets."""
        if self._task is not None:
            self._task.kill()
            self._task = None
        if self._before is not None:
            signal.signal(signal.SIGCONT, self._before)
            self._before = None

    def _note_continued(self, _number: int, _frame: object) -> None:
        """A debugger, a shell's job control or a batch system stopped us: that is nobody's fault in here."""
        self._continued = True

    def _beat(self) -> None:
        period_s = self._notifier.watchdog_s
        pause_s = min(_BEAT_S, period_s / 4) if period_s else _BEAT_S
        while True:
            before = time.monotonic()
            gevent.sleep(pause_s)
            try:
                self._note_lag(time.monotonic() - before - pause_s, period_s)
            except faults():
                self._log.exception("no sign of life could be given; the next is due in %g s", pause_s)

    def _note_lag(self, lag_s: float, period_s: float | None) -> None:
        self.worst_lag_s = max(self.worst_lag_s, lag_s)
        if lag_s > _SLOW_S and self._continued:
            self._log.info("this process was stopped for %.2f s, and goes on", lag_s)
        elif lag_s > _SLOW_S:
            self._log.warning("the event loop stood still for %.2f s", lag_s)
        self._continued = False
        if period_s and lag_s < period_s / 2:
            self._notifier.watchdog()
