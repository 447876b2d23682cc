"""How store and overlay change together: reserve in the store, provision on the overlay, commit, publish.

What was reserved stands in the store with an intent, so that a crash at any point leaves enough behind to finish or
undo it. No transaction is open while the overlay is called.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from zrokd.errors import OverlayError, Unavailable, UnknownService, ZrokdError
from zrokd.service.core import Core
from zrokd.store import intents
from zrokd.store.intents import Intent

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

_log = logging.getLogger("zrokd.service")


def on_overlay(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the overlay's function returns. :raises OverlayError: whatever went wrong."""
    try:
        return function(*args, **kwargs)
    except ZrokdError:
        raise
    except Exception as error:
        raise OverlayError(f"the overlay failed: {error}") from error


def off_overlay(function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """As `on_overlay`, for what takes something away: gone already is fine."""
    try:
        on_overlay(function, *args, **kwargs)
    except UnknownService:
        return


def make(
    core: Core,
    intent: Intent,
    *,
    provision: Callable[[], T],
    commit: Callable[[T], R | None],
    undo: Callable[[Core, Intent], None],
) -> R:
    """What `commit` returns, after `provision` on the overlay; both, or after an `undo` neither.

    `commit` runs in a transaction that settles the intent, and returns None when what it needs went away meanwhile.
    :raises Unavailable: it did. :raises OverlayError: the overlay refused.
    """
    try:
        provisioned = on_overlay(provision)
        return core.store.write(lambda: _commit(intent, commit, provisioned))
    except BaseException:  # also when the greenlet is killed
        _attempt(core, intent, undo)
        raise


def settle(core: Core, intent: Intent, forget: Callable[[], object]) -> None:
    """The work is over: in one transaction, end the intent and `forget` its rows, unless somebody did before."""
    core.store.write(_settle, intent, forget)


def _commit(intent: Intent, commit: Callable[[T], R | None], provisioned: T) -> R:
    made = commit(provisioned) if intents.end(intent) else None
    if made is None:
        raise Unavailable(f"{intent.kind} {intent.subject} went away while it was made; try again", retry_after_s=1.0)
    return made


def _settle(intent: Intent, forget: Callable[[], object]) -> None:
    if intents.end(intent):
        forget()


def _attempt(core: Core, intent: Intent, undo: Callable[[Core, Intent], None]) -> None:
    try:
        undo(core, intent)
    except ZrokdError as error:
        _log.warning("%s %s cannot be undone now, the reconciler will: %s", intent.kind, intent.subject, error)
