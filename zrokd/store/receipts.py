"""Requests that create something, by the key that their caller gave them, and their sealed answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from zrokd.store.tables import Receipt

_KEEP_MS = 24 * 3600 * 1000
_MOST = 1000  # of a caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, unreadable: `digest` stands for caller and key, `request` for what is asked."""

    digest: str
    request: str
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A request that is carried out now. `seal` makes of what is made the sealed answer; "": one that is not kept."""

    digest: str
    worker: str
    seal: Callable[[Any], str]


_carried: ContextVar[Carried | None] = ContextVar("carried", default=None)


@contextmanager
def carrying(request: Carried) -> Iterator[None]:
    """Inside, `made` is about this request."""
    before = _carried.set(request)
    try:
        yield
    finally:
        _carried.reset(before)


def made(thing: Any) -> None:
    """Keep the answer to the request that is carried out, if any, in the transaction that makes what it asks for.

    So a crash leaves both or neither. `thing` is what the use case returns.
    """
    request = _carried.get()
    answer = request.seal(thing) if request else ""
    if request and answer:
        finish(request.digest, request.worker, answer)


def find(digest: str, now_ms: int) -> Receipt | None:
    """What is known of it, unless that is too old."""
    return Receipt.get_or_none((Receipt.digest == digest) & (Receipt.at_ms > now_ms - _KEEP_MS))


def begin(asked: Asked, worker: str, now_ms: int) -> None:
    """It runs from now on, in place of what was known of it. A caller has room for so many; the oldest go."""
    here = Receipt.caller == asked.caller
    beyond = Receipt.select(Receipt.id).where(here).order_by(Receipt.id.desc()).offset(_MOST - 1).limit(1).scalar()
    Receipt.delete().where((Receipt.digest == asked.digest) | (here & (Receipt.id <= (beyond or 0)))).execute()
    Receipt.create(digest=asked.digest, request=asked.request, caller=asked.caller, worker=worker, at_ms=now_ms)


def finish(digest: str, worker: str, answer: str) -> None:
    """It was answered so."""
    Receipt.update(answer=answer).where(Receipt.digest == digest, Receipt.worker == worker).execute()


def drop(digest: str, worker: str) -> None:
    """It came to nothing: whoever asks again begins anew."""
    Receipt.delete().where(Receipt.digest == digest, Receipt.worker == worker, Receipt.answer == "").execute()


def workers() -> set[str]:
    """The runs that are at something."""
    return {row.worker for row in Receipt.select(Receipt.worker).where(Receipt.answer == "").distinct()}


def drop_of(gone: Collection[str]) -> None:
    """These runs are at nothing any more: whoever asks again begins anew."""
    Receipt.delete().where(Receipt.worker << list(gone), Receipt.answer == "").execute()


def prune(now_ms: int) -> int:
    """Forget what is too old to be asked again. How many."""
    return int(Receipt.delete().where(Receipt.at_ms <= now_ms - _KEEP_MS).execute())
