"""HTTP heads as gates and filters see them, and what a gate can answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import KeysView
from dataclasses import dataclass, field
from typing import Self

Fields = tuple[tuple[bytes, bytes], ...]  # names as sent; values without surrounding blanks
_MOST_PRINTED = 2000


class _Head(ABC):
    """What requests and answers have in common.

    The fields are indexed once, by name in lower case. Names are repeated rarely; then the index is shorter than the
    fields, and values are looked for one by one.
    """

    __slots__ = ()
    _index: dict[bytes, bytes] | None

    @property
    @abstractmethod
    def fields(self) -> Fields:
        """Names as sent; values without surrounding blanks."""

    @property
    def names(self) -> KeysView[bytes]:
        """The names of the fields, in lower case. Asking what is not there is cheap."""
        return (self._index or self._indexed()).keys()

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field, or None. The name's case does not matter."""
        index = self._index or self._indexed()
        value = index.get(_lower(name))
        if value is None or len(index) == len(self.fields):
            return value
        return self.all(name)[0]

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a field, in order. The name's case does not matter."""
        name, index = _lower(name), self._index or self._indexed()
        if name not in index:
            return []
        if len(index) == len(self.fields):
            return [index[name]]
        return [value for key, value in self.fields if key.lower() == name]

    def with_field(self, name: bytes, value: bytes) -> Self:
        """A copy in which this is the only field of that name."""
        return self.edited(frozenset([_lower(name)]), ((name, value),))

    def without(self, *names: bytes) -> Self:
        """A copy without these fields."""
        return self.edited(frozenset([_lower(name) for name in names]))

    def edited(self, drop: frozenset[bytes], add: Fields = ()) -> Self:
        """A copy without the fields named in `drop` (in lower case), and with `add` at the end. Itself when alike."""
        index, fields = self._index or self._indexed(), self.fields
        dropped = [name for name in drop if name in index]
        if dropped:
            fields = tuple([field for field in fields if field[0].lower() not in drop])
        elif not add:
            return self
        index = index.copy()
        for name in dropped:
            del index[name]
        for name, value in add:
            index[name.lower()] = value
        head = self._holding(fields + add)
        _set(head, "_index", index)
        return head

    def _indexed(self) -> dict[bytes, bytes]:
        index = {name.lower(): value for name, value in self.fields}
        _set(self, "_index", index)
        return index

    @abstractmethod
    def _holding(self, fields: Fields) -> Self:
        """A copy with these fields."""


_set = object.__setattr__


def _lower(name: bytes) -> bytes:
    if isinstance(name, str):
        raise TypeError(f"names of fields are bytes: write b{name!r}")
    return name.lower()


@dataclass(frozen=True, slots=True)
class RequestHead(_Head):
    """A request line and its fields, already found valid. `minor` is 0 or 1 of HTTP/1.x."""

    method: bytes
    target: bytes  # origin-form; bytes as sent
    minor: int
    fields: Fields
    secure: bool = False  # whether it came to this daemon inside TLS
    _index: dict[bytes, bytes] | None = field(default=None, init=False, repr=False, compare=False)

    def _holding(self, fields: Fields) -> RequestHead:
        return RequestHead(self.method, self.target, self.minor, fields, self.secure)


@dataclass(frozen=True, slots=True)
class ResponseHead(_Head):
    """A status line and its fields, already found valid."""

    status: int
    reason: bytes
    fields: Fields
    minor: int = 1
    _index: dict[bytes, bytes] | None = field(default=None, init=False, repr=False, compare=False)

    def _holding(self, fields: Fields) -> ResponseHead:
        return ResponseHead(self.status, self.reason, fields, self.minor)


@dataclass(frozen=True, slots=True)
class Route:
    """The decision for one request: which share answers it, and which gate stands before."""

    host: str
    token: str
    mode: str = ""
    gate: str = ""
    gate_config: tuple[tuple[str, object], ...] = ()


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


def printable(text: bytes) -> str:
    """`text` as summaries and logs carry it: at most 2,000 characters of ASCII, every other byte as \\xNN."""
    plain = text[:_MOST_PRINTED].decode("latin-1")
    if not (plain.isascii() and plain.isprintable()):
        plain = "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in plain)
    return plain[:_MOST_PRINTED]
