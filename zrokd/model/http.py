"""HTTP heads as gates and filters see them, and what a gate can answer."""

from __future__ import annotations

import functools
import ipaddress
from abc import ABC, abstractmethod
from collections.abc import KeysView
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from zrokd.model import block as blocks
from zrokd.model.block import Block

Fields = blocks.Fields
_MOST_PRINTED = 2000
LATER = "zrokd.later"  # in a WSGI environ, where the server offers it: see `zrokd.net.wsgi`


class _Head(ABC):
    """What requests and answers have in common: a block of fields."""

    __slots__ = ()
    block: Block

    @property
    @abstractmethod
    def fields(self) -> Fields:
        """Names as sent; values without surrounding blanks."""

    @property
    def names(self) -> KeysView[bytes]:
        """The names of the fields, in lower case. Asking what is not there is cheap."""
        return self.block.index.keys()

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field, or None. The name's case does not matter."""
        return self.block.get(_lower(name))

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a field, in order. The name's case does not matter."""
        return self.block.all(_lower(name))

    def with_field(self, name: bytes, value: bytes) -> Self:
        """A copy in which this is the only field of that name."""
        return self.edited(frozenset([_lower(name)]), ((name, value),))

    def without(self, *names: bytes) -> Self:
        """A copy without these fields."""
        return self.edited(frozenset([_lower(name) for name in names]))

    def edited(self, drop: frozenset[bytes], add: Fields = ()) -> Self:
        """A copy without the fields named in `drop` (in lower case), and with `add` at the end. Itself when alike.

        :raises ValueError: a field to add holds CR, LF or NUL.
        """
        return self.having(self.block.edited(drop, add))

    @abstractmethod
    def having(self, block: Block) -> Self:
        """A copy with these fields. Itself when they are its own."""


H = TypeVar("H", bound=_Head)


def _in_a_block(cls: type[H]) -> type[H]:
    """The class with the block in the place of the fields, which are asked for less often."""
    slot: Any = cls.fields
    cls.block = slot
    cls.fields = property(  # type: ignore[assignment]
        lambda head: head.block.fields, lambda head, fields: slot.__set__(head, Block(fields))
    )
    return cls


def _lower(name: bytes) -> bytes:
    if isinstance(name, str):
        raise TypeError(f"names of fields are bytes: write b{name!r}")
    return name.lower()


@_in_a_block
@dataclass(frozen=True, slots=True)
class RequestHead(_Head):
    """A request line and its fields, already found valid. `minor` is 0 or 1 of HTTP/1.x."""

    method: bytes
    target: bytes  # origin-form; bytes as sent
    minor: int
    fields: Fields
    secure: bool = False  # whether it came to this daemon inside TLS

    @classmethod
    def of(cls, method: bytes, target: bytes, minor: int, block: Block, *, secure: bool = False) -> RequestHead:
        """One with a block that is there already."""
        head = _new(cls)
        _method(head, method)
        _target(head, target)
        _request_minor(head, minor)
        _request_block(head, block)
        _secure(head, secure)
        return head

    def having(self, block: Block) -> RequestHead:
        """A copy with these fields. Itself when they are its own."""
        if block is self.block:
            return self
        return RequestHead.of(self.method, self.target, self.minor, block, secure=self.secure)


@_in_a_block
@dataclass(frozen=True, slots=True)
class ResponseHead(_Head):
    """A status line and its fields, already found valid."""

    status: int
    reason: bytes
    fields: Fields
    minor: int = 1

    @classmethod
    def of(cls, status: int, reason: bytes, minor: int, block: Block) -> ResponseHead:
        """As that of RequestHead."""
        head = _new(cls)
        _status(head, status)
        _reason(head, reason)
        _response_minor(head, minor)
        _response_block(head, block)
        return head

    def having(self, block: Block) -> ResponseHead:
        """A copy with these fields. Itself when they are its own."""
        return self if block is self.block else ResponseHead.of(self.status, self.reason, self.minor, block)


def _setters(cls: Any, *names: str) -> list[Any]:
    """What a frozen head is made with where its constructor would take too long."""
    return [getattr(cls, name).__set__ for name in names]


_new = object.__new__
_method, _target, _request_minor, _request_block, _secure = _setters(
    RequestHead, "method", "target", "minor", "block", "secure"
)
_status, _reason, _response_minor, _response_block = _setters(ResponseHead, "status", "reason", "minor", "block")


@dataclass(frozen=True, slots=True)
class Route:
    """The decision for one request: which share answers it, and which gate stands before."""

    host: str
    token: str
    mode: str = ""
    gate: str = ""
    gate_config: tuple[tuple[str, object], ...] = ()
    interstitial: bool = False  # whether visitors are to be warned first, where a frontend does that


@dataclass(frozen=True, slots=True)
class Allow:
    """The visitor may pass; `fields` are added to the request (for example who it is), those in `drop` taken out."""

    fields: Fields = ()
    drop: tuple[bytes, ...] = ()  # what the gate used up: credentials


@dataclass(frozen=True, slots=True)
class Respond:
    """The visitor is answered here and the share never hears of it. Framing fields are added by the sender."""

    status: int
    body: bytes = b""
    fields: Fields = ()


Verdict = Allow | Respond


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSummary:
    """One HTTP request and answer, told when it is over."""

    share_token: str
    role: str  # "frontend" or "backend"
    peer: str  # who visits: of a trusted proxy, whom it tells
    method: str
    target: str  # cut to 2,000 characters, control bytes escaped
    status: int  # 0 when no answer was sent
    rx_bytes: int  # body bytes from the visitor
    tx_bytes: int  # body bytes to the visitor
    duration_s: float
    outcome: str = "ok"  # or why it ended early
    first_byte_s: float | None = None  # of the duration, until the share's answer began; None: none did
    dial_s: float | None = None  # of the duration, to get a stream to the share; None: it was never reached


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSummary:
    """One accepted connection, told exactly once, when it is over."""

    role: str
    peer: str
    share_token: str  # empty when it never came to a share
    rx_bytes: int
    tx_bytes: int
    duration_s: float
    outcome: str = "ok"
    raw: bool = False  # bytes of any meaning; of HTTP each exchange is told by itself


def visitor_of(head: RequestHead) -> str:
    """The address of who visits, as our frontends tell it to shares; "" where none was told."""
    told = head.get(b"X-Real-IP")
    return _address(told) if told else ""


@functools.lru_cache(1024)
def _address(told: bytes) -> str:
    try:
        return str(ipaddress.ip_address(told.decode("ascii")))
    except ValueError:
        return ""


def printable(text: bytes) -> str:
    """`text` as summaries and logs carry it: at most 2,000 characters of ASCII, every other byte as \\xNN."""
    plain = text[:_MOST_PRINTED].decode("latin-1")
    if not (plain.isascii() and plain.isprintable()):
        plain = "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in plain)
    return plain[:_MOST_PRINTED]
