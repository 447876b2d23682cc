"""Every request as a line in a file, written behind the requests' back.

A hook call only puts a line into a bounded queue; a greenlet writes what is there twice a second. The file is opened
for each writing, so that it can be renamed at any time.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import Health, Observer, Settings, Task
from zrokd.model.http import ExchangeSummary, printable

_EVERY_S = 0.5
_MODE = 0o640
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class AccessLogSettings(Settings):
    """Settings of observer.access_log."""

    path: str = Field(
        default="access.log",
        description="The file; a relative path starts in the observer's state directory.",
    )
    format: Literal["combined", "timed", "json"] = Field(
        default="combined",
        description="The combined log format of web servers; timed: the same and then the share's token and seconds: "
        "in all, until the answer began, to reach the share; or json: one object a line.",
    )
    roles: list[Literal["frontend", "backend"]] = Field(
        default=["frontend"],
        description="Whose requests: a daemon that is both sees each of them twice.",
    )
    queue: int = Field(default=10_000, ge=1, description="Lines that may wait; more are dropped and counted.")


class AccessLogObserver(Observer):
    """Writes the access log. A full disk costs lines, never requests."""

    name = "access_log"
    Settings = AccessLogSettings

    def __init__(self, settings: AccessLogSettings, ctx: Any) -> None:
        super().__init__(settings, ctx)
        self._lines: deque[str] = deque()
        self._write: Callable[[ExchangeSummary, int], str] = _FORMATS[settings.format]
        self._writer: Task | None = None
        self._torn = False  # the file may end in half a line
        self._trouble = ""
        self.dropped = 0  # lines since the start

    def open(self) -> None:
        """Begin to write."""
        self._writer = self.ctx.spawn(self._flush_forever, name="access log")

    def close(self) -> None:
        """Write what waits."""
        if self._writer is not None:
            self._writer.kill()
            self._writer = None
            self._flush()

    def health(self) -> Health:
        """Whether lines reach the file."""
        return Health(ok=not self._trouble, detail=self._trouble)

    @hookimpl
    def zrokd_on_exchange(self, summary: ExchangeSummary) -> None:
        """Keep a line."""
        if summary.role not in self.settings.roles:
            return
        if len(self._lines) >= self.settings.queue:
            self.dropped += 1
            return
        self._lines.append(self._write(summary, self.ctx.clock.now_ms()))

    def _flush_forever(self) -> None:
        reported = 0
        while True:
            time.sleep(_EVERY_S)
            self._flush()
            if self.dropped > reported:
                self.ctx.log.warning("the access log misses %d lines", self.dropped - reported)
                reported = self.dropped

    def _flush(self) -> None:
        if not self._lines:
            return
        batch, self._lines = self._lines, deque()
        try:
            self.ctx.offload(self._append, "".join(batch).encode())
        except OSError as error:
            self.dropped += len(batch)
            self._note(f"the access log {self.path} cannot be written: {error.strerror}")
        else:
            self._trouble = ""

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            self.ctx.log.error("%s", trouble)
        self._trouble = trouble

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.ctx.state_dir, self.settings.path)

    def _append(self, data: bytes) -> None:
        data = b"\n" * self._torn + data
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            while data:
                data = data[os.write(fd, data) :]
                self._torn = bool(data)
        finally:
            os.close(fd)


def combined(summary: ExchangeSummary, now_ms: int) -> str:
    """A line of the combined log format; what a summary does not hold is `-`. Source: Apache mod_log_config."""
    return _combined(summary, now_ms) + "\n"


def timed(summary: ExchangeSummary, now_ms: int) -> str:
    """As `combined`, and where the time went, each as KEY=VALUE."""
    seconds = (summary.duration_s, summary.first_byte_s, summary.dial_s)
    total, first, dial = ("-" if value is None else f"{value:.6f}" for value in seconds)
    return f"{_combined(summary, now_ms)} share={summary.share_token or '-'} total={total} first={first} dial={dial}\n"


def _combined(summary: ExchangeSummary, now_ms: int) -> str:
    when = _when(now_ms // 1000)
    request = _quoted(f"{summary.method} {summary.target} HTTP/1.1")
    size = summary.tx_bytes or "-"
    return f'{_quoted(_host(summary.peer)) or "-"} - - [{when}] "{request}" {summary.status} {size} "-" "-"'


@lru_cache(maxsize=1)
def _when(second: int) -> str:
    """The time of all lines of a second."""
    at = datetime.fromtimestamp(second, UTC)
    return f"{at.day:02d}/{_MONTHS[at.month - 1]}/{at.year}:{at:%H:%M:%S} +0000"


def as_json(summary: ExchangeSummary, now_ms: int) -> str:
    """All of a summary as one JSON object."""
    entry = {
        "time": datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "role": summary.role,
        "share": summary.share_token,
        "peer": summary.peer,
        "method": summary.method,
        "target": summary.target,
        "status": summary.status,
        "rx_bytes": summary.rx_bytes,
        "tx_bytes": summary.tx_bytes,
        "duration_s": round(summary.duration_s, 6),
        "first_byte_s": _rounded(summary.first_byte_s),
        "dial_s": _rounded(summary.dial_s),
        "outcome": summary.outcome,
    }
    return json.dumps(entry) + "\n"


_FORMATS: dict[str, Callable[[ExchangeSummary, int], str]] = {"combined": combined, "timed": timed, "json": as_json}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def _host(peer: str) -> str:
    """The host in `host:port`; what has no port stays."""
    if peer.startswith("["):
        return peer[1:].partition("]")[0]
    return peer.partition(":")[0] if peer.count(":") == 1 else peer


def _quoted(text: str) -> str:
    return printable(text.encode()).replace('"', "\\x22")


@hookimpl
def zrokd_provide_observers() -> Iterable[type[Observer]]:
    """The observer of this module."""
    return [AccessLogObserver]
