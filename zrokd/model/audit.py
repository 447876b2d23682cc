"""The audit trail: who did what, when, from where, and how it ended; each record sealed to the one before it."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import Any

from zrokd.errors import ZrokdError

DONE, REFUSED, FAILED = "done", "refused", "failed"
PRUNED = "audit.pruned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who is at work now. `via` is how that was proven, `address` where the call came from; "" is unknown."""

    name: str
    via: str = ""
    address: str = ""


_ITSELF = Actor(name="controller")
_ACTOR: ContextVar[Actor] = ContextVar("actor", default=_ITSELF)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Inside, `actor` is at work."""
    before = _ACTOR.set(actor)
    try:
        yield
    finally:
        _ACTOR.reset(before)


def actor() -> Actor:
    """Who is at work now, in this greenlet or thread. What the controller does by itself is its own."""
    return _ACTOR.get()


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing done, before it is sealed. `account` is the e-mail address of whom it concerns. No secrets, ever."""

    event: str
    subject: str = ""
    account: str = ""
    outcome: str = DONE
    facts: Mapping[str, Any] = field(default_factory=dict)  # JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A place in the chain: a record's number and its digest. Number 0 is before the first."""

    seq: int = 0
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.seq}:{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing done, sealed. `at_ms` is Unix milliseconds."""

    seq: int
    at_ms: int
    actor: str
    via: str
    address: str
    event: str
    subject: str
    account: str
    outcome: str
    facts: Any
    digest: str = ""

    @property
    def link(self) -> Link:
        """Its place."""
        return Link(seq=self.seq, digest=self.digest)

    def sealed(self, previous: str) -> str:
        """The digest it must have after one with the digest `previous`."""
        content = asdict(self) | {"digest": previous}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class Broken(ZrokdError):
    """The chain does not hold. The text names the first bad record."""


class Chain:
    """Takes every record that is left, in their order. What was changed, taken out, put in or moved breaks it."""

    def __init__(self, checkpoint: Link) -> None:
        """`checkpoint` is the last record that was pruned."""
        self._checkpoint, self.last, self.count = checkpoint, checkpoint, 0
        self._pruned = Link()
        self._expected: Link | None = None

    def expect(self, link: Link) -> None:
        """A link that was seen earlier must still be there. :raises Broken: it is too old to tell."""
        if link.seq < self._checkpoint.seq:
            raise Broken(f"record {link.seq} was pruned: nothing can be said of it")
        self._expected = link
        self._compare(self._checkpoint)

    def take(self, record: Record) -> None:
        """The next one. :raises Broken: it is not what must come here."""
        following = self.last.seq + 1
        if record.seq > following:
            raise Broken(f"record {following} is missing")
        if record.seq < following:
            raise Broken(f"record {record.seq} is there twice")
        if record.digest != record.sealed(self.last.digest):
            raise Broken(f"record {record.seq} is not what was written, or not in its place")
        if record.event == PRUNED:
            self._pruned = Link(seq=record.facts["through"], digest=record.facts["digest"])
        self.last, self.count = record.link, self.count + 1
        self._compare(record.link)

    def end(self, head: Link) -> None:
        """There are no more; `head` is what was written last. :raises Broken: some were taken off an end."""
        if self.last != head:
            raise Broken(
                f"record {self.last.seq + 1} is missing" if self.last.seq < head.seq else "the head is missing"
            )
        if self._pruned != self._checkpoint:
            raise Broken(f"record {self._pruned.seq + 1} is missing: nobody pruned it")
        if self._expected and self._expected.seq > head.seq:
            raise Broken(f"record {head.seq + 1} is missing: record {self._expected.seq} was seen earlier")

    def _compare(self, link: Link) -> None:
        if self._expected and link.seq == self._expected.seq and link != self._expected:
            raise Broken(f"record {link.seq} is another than the one seen earlier")


def local_user() -> str:
    """The name of who runs this program; the number where it has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
