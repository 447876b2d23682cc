"""Greenlets with names and an owner, and the thread pool for work that blocks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import gevent
from gevent.threadpool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")
_CLOSE_S = 5.0
_KILL_S = (4.0, 1.0)  # for the clean-up of who is killed; then for who took that for an error, and went on


class GreenletTask:
    """A greenlet as components see it."""

    def __init__(self, greenlet: Any, log: logging.Logger) -> None:
        self._greenlet, self._log = greenlet, log

    def kill(self) -> None:
        """End it; returns when it has ended, or after some seconds, which is logged. Switches greenlets."""
        _kill(lambda: [] if self.done else [self._greenlet], self._log)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for its end; whether it ended in time. Switches greenlets."""
        self._greenlet.join(timeout_s)
        return self.done

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return bool(self._greenlet.dead)


class Greenlets:
    """The greenlets of one owner: named, counted, what they raise logged, killed together."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._running: set[Any] = set()

    def __len__(self) -> int:
        return len(self.names())

    def names(self) -> list[str]:
        """Names of those that run, sorted."""
        return sorted(greenlet.name for greenlet in self._running if not greenlet.dead)

    def spawn(self, function: Callable[..., object], *args: object, name: str = "") -> GreenletTask:
        """Run `function(*args)` in a new greenlet. Does not switch greenlets."""
        greenlet: Any = gevent.Greenlet(self._guarded, function, args)
        greenlet.name = name or getattr(function, "__qualname__", "greenlet")
        self._running.add(greenlet)
        greenlet.rawlink(self._running.discard)
        greenlet.start()
        return GreenletTask(greenlet, self._log)

    def kill_all(self) -> None:
        """End them all, but the one that asks; returns when they have ended, or after some seconds, which is logged.

        Switches greenlets.
        """
        me = gevent.getcurrent()
        _kill(lambda: [one for one in self._running if one is not me and not one.dead], self._log)

    def _guarded(self, function: Callable[..., object], args: tuple[object, ...]) -> None:
        try:
            function(*args)
        except gevent.GreenletExit:
            raise
        except BaseException:
            self._log.exception("%s failed", gevent.getcurrent().name)


def _kill(running: Callable[[], list[Any]], log: logging.Logger) -> None:
    """End what `running` gives until it gives nothing: an end may start others."""
    for limit_s in _KILL_S:
        with gevent.Timeout(limit_s, False):
            while greenlets := running():
                gevent.sleep(0)  # who had no turn yet would never run, and so not close what it was given
                gevent.killall(greenlets)
            return
    names = ", ".join(sorted(greenlet.name for greenlet in running()))
    log.error("it is told to end and goes on, so it is left behind: %s", names)


def _outcome(function: Callable[..., object], args: Any, kwargs: Any) -> tuple[object, BaseException | None]:
    """What `function` returns and raises: of what is raised through it, the pool prints a traceback."""
    try:
        return function(*args, **kwargs), None
    except BaseException as error:  # raised again where it is waited for
        return None, error


class Threads:
    """A bounded pool of threads."""

    def __init__(self, size: int = 8) -> None:
        self._pool: Any = ThreadPool(size)

    def offload(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(...)` in a thread while this greenlet waits; raises what it raises."""
        result, error = self._pool.apply(_outcome, (function, args, kwargs))
        if error is not None:
            raise error
        return cast(T, result)

    def close(self) -> None:
        """End the threads; waits some seconds for running work. Switches greenlets."""
        with gevent.Timeout(_CLOSE_S, False):
            self._pool.kill()
