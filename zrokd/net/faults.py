"""What the code of a plugin may do wrong without harm to others: raise anything, or never return."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import gevent

P = ParamSpec("P")
T = TypeVar("T")

_FAULTS: tuple[type[BaseException], ...] = (Exception, SystemExit, KeyboardInterrupt, gevent.Timeout)


def faults() -> tuple[type[BaseException], ...]:
    """What a plugin's call may raise: for `except faults()`, which is asked once something was raised.

    A library that calls `sys.exit()` would end the whole daemon, as `KeyboardInterrupt` would; a leaked timeout of
    gevent passes every `except Exception`, and so does what asyncio cancels by, which is known where a plugin has
    imported that. A killed greenlet must end, so its exit is none of them.
    """
    asyncio = sys.modules.get("asyncio.exceptions")
    return _FAULTS if asyncio is None else (*_FAULTS, asyncio.CancelledError)


def within(limit_s: float, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """`call(...)`, which may switch greenlets, for at most `limit_s` seconds.

    What stands on the loop without switching is not ended by this; the watchdog tells of it. What ends it where it
    waits is no Exception, so that a library that takes every one of those for its own does not go on.
    :raises TimeoutError: it did not return in time.
    """
    limit = gevent.Timeout.start_new(limit_s)
    try:
        return call(*args, **kwargs)
    except gevent.Timeout as reached:
        if reached is not limit:
            raise
        raise TimeoutError(f"it did not return within {limit_s:g} s") from None
    finally:
        limit.close()
