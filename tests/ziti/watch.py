"""What visitors see while something breaks: every request with its time, and streams that stay open."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent

from tests.flow.conftest import digest_of
from tests.ziti.daemons import Daemons

SIZE = 20_000
GIVE_UP_S = 15.0  # a request without an answer after this hangs
PAUSE_S = 0.05


@dataclass(frozen=True)
class Seen:
    """One request: when it began, how long it took, its status; 0: cut off, -1: nothing came, -2: wrong bytes."""

    at: float
    took_s: float
    status: int


class Watch:
    """Visitors that ask again and again, each request on a connection of its own. Times are of time.monotonic()."""

    def __init__(self, daemons: Daemons, visitors: int = 4) -> None:
        self.seen: list[Seen] = []
        self._daemons, self._right = daemons, digest_of(SIZE)
        self._ended = False
        self._greenlets = [gevent.spawn(self._go) for _ in range(visitors)]

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        gevent.joinall(self._greenlets, GIVE_UP_S + 5)

    def began_between(self, first: float, last: float) -> list[Seen]:
        """Requests that began in that time, and their answers."""
        return [each for each in list(self.seen) if first <= each.at < last]

    def first_success_after(self, at: float, within_s: float) -> float:
        """Seconds from `at` until the first good answer to a request that began then; waits for it."""
        while True:
            good = [each.at + each.took_s - at for each in self.seen if each.at >= at and each.status == 200]
            if good:
                return min(good)
            assert time.monotonic() - at < within_s, f"no success within {within_s:g} s\n{self._daemons.logs()}"
            gevent.sleep(0.02)

    def steady_after(self, at: float, count: int = 20) -> None:
        """Return when the last `count` answers of requests that began after `at` are all good."""
        until = time.monotonic() + GIVE_UP_S
        while True:
            last = [each.status for each in self.seen if each.at >= at][-count:]
            if last == [200] * count:
                return
            assert time.monotonic() < until, f"it does not settle: {last}\n{self._daemons.logs()}"
            gevent.sleep(0.02)

    def counts(self, first: float = 0.0, last: float = float("inf")) -> dict[int, int]:
        """How many answers of each status."""
        return dict(collections.Counter(each.status for each in self.began_between(first, last)))

    def _go(self) -> None:
        while not self._ended:
            began = time.monotonic()
            status = self._ask()
            self.seen.append(Seen(began, time.monotonic() - began, status))
            gevent.sleep(PAUSE_S)

    def _ask(self) -> int:
        try:
            with self._daemons.visitor(timeout_s=GIVE_UP_S) as visitor:
                visitor.connection.request("GET", f"/bytes/{SIZE}", headers={"Host": visitor.host})
                with contextlib.closing(visitor.connection.getresponse()) as answer:
                    body = answer.read()
        except TimeoutError:
            return -1
        except (OSError, http.client.HTTPException):
            return 0
        wrong = answer.status == 200 and hashlib.sha256(body).hexdigest() != self._right
        return -2 if wrong else answer.status


class OpenStream:
    """An answer that goes on: an event every `every_s` seconds, until the stream breaks or is ended."""

    def __init__(self, daemons: Daemons, every_s: float = 0.1) -> None:
        self._daemons, self._every_s = daemons, every_s
        self._visitor = daemons.visitor(timeout_s=60.0)
        self._visitor.connection.request("GET", "/events", headers={"Host": self._visitor.host})
        self._answer: Any = self._visitor.connection.getresponse()
        self.broke_at: float | None = None
        self.broke_by = ""
        self.arrived = 0
        self._ended = False
        self._greenlets = [gevent.spawn(self._send), gevent.spawn(self._read)]

    def __enter__(self) -> OpenStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._greenlets[0].join(10)
        self._greenlets[1].kill()
        self._answer.close()
        self._visitor.close()

    @property
    def alive(self) -> bool:
        return self.broke_at is None

    def broke_after(self, at: float, within_s: float) -> float:
        """Seconds from `at` until the visitor saw it break; waits for it."""
        until = at + within_s
        while self.alive:
            assert time.monotonic() < until, f"the open stream hangs\n{self._daemons.logs()}"
            gevent.sleep(0.02)
        assert self.broke_at is not None
        return self.broke_at - at

    def more(self, count: int = 5, within_s: float = 5.0) -> None:
        """Return when so many more events arrived."""
        wanted, until = self.arrived + count, time.monotonic() + within_s
        while self.arrived < wanted:
            assert self.alive, f"the open stream broke: {self.broke_by}\n{self._daemons.logs()}"
            assert time.monotonic() < until, f"nothing arrives any more\n{self._daemons.logs()}"
            gevent.sleep(0.02)

    def _send(self) -> None:
        number = 0
        while not self._ended and self.alive:
            self._daemons.target.events.put(f"{number}")
            number += 1
            gevent.sleep(self._every_s)

    def _read(self) -> None:
        try:
            while line := self._answer.readline():
                self.arrived += line.startswith(b"data: ")
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.broke_by = repr(error)
        else:
            self.broke_by = "its end"
        self.broke_at = time.monotonic()


def eventually(check: Callable[[], Any], within_s: float, why: Callable[[], str] = str) -> float:
    """Seconds until `check` is true."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < within_s, why()
        gevent.sleep(0.02)
    return time.monotonic() - began
