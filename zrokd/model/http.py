"""HTTP heads as gates and filters see them, and what a gate can answer."""

from __future__ import annotations

import functools
import ipaddress
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import KeysView
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Self, TypeVar

Field = tuple[bytes, bytes]
Fields = tuple[Field, ...]  # names as sent; values without surrounding blanks
_MOST_PRINTED = 2000


class _Head(ABC):
    """What requests and answers have in common.

    A head that was read keeps its block, the bytes of its fields as they came; an edit cuts lines out of it and puts
    others at its end. So most of a head is never taken apart and put together again. Each of block and fields is made
    of the other when somebody asks for it.
    """

    __slots__ = ()
    _block: bytes | None  # begins and ends with CRLF
    _index: dict[bytes, Field] | None  # by name in lower case; _SEVERAL for a name that is repeated

    @property
    @abstractmethod
    def fields(self) -> Fields:
        """Names as sent; values without surrounding blanks."""

    @property
    def block(self) -> bytes:
        """The lines of the fields as they go over the wire, with a CRLF before each and after the last.

        :raises ValueError: a field holds CR, LF or NUL, which would let it forge others.
        """
        if self._block is None:
            _set(self, "_block", b"\r\n" + field_lines(self.fields))
        return self._block  # type: ignore[return-value]

    @property
    def names(self) -> KeysView[bytes]:
        """The names of the fields, in lower case. Asking what is not there is cheap."""
        return (self._index or self._indexed()).keys()

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field, or None. The name's case does not matter."""
        found = (self._index or self._indexed()).get(_lower(name))
        if found is None:
            return None
        return self.all(name)[0] if found is _SEVERAL else found[1]

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a field, in order. The name's case does not matter."""
        name = _lower(name)
        found = (self._index or self._indexed()).get(name)
        if found is None:
            return []
        return [value for key, value in self.fields if key.lower() == name] if found is _SEVERAL else [found[1]]

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
        index = self._index or self._indexed()
        dropped = index.keys() & drop
        if not dropped and not add:
            return self
        if self._block is None:  # it was made here, not read
            kept = tuple([field for field in self.fields if field[0].lower() not in drop])
            return replace(self, fields=kept + add)  # type: ignore[type-var]
        block, index = self._block, index.copy()
        for name in dropped:
            block = _cut(block, name, index.pop(name))
        if add:
            lines, more = _encoded(add)
            twice = index.keys() & more
            index.update(more)
            index.update(dict.fromkeys(twice, _SEVERAL))
            block += lines
        return self._of(block, index)

    def _indexed(self) -> dict[bytes, Field]:
        index = index_of(self.fields)
        _set(self, "_index", index)
        return index

    @abstractmethod
    def _of(self, block: bytes, index: dict[bytes, Field]) -> Self:
        """A copy with these fields."""


_set = object.__setattr__
_SEVERAL: Field = (b"", b"")
H = TypeVar("H", bound=_Head)


def _asked_late(cls: type[H]) -> type[H]:
    """The class with `fields` made of the block when somebody asks for them first."""
    slot: Any = cls.fields

    def fields(head: Any) -> Fields:
        try:
            return slot.__get__(head)  # type: ignore[no-any-return]
        except AttributeError:
            lines = [line.partition(b":") for line in head.block.split(b"\r\n")[1:-1]]
            slot.__set__(head, tuple([(name, value.strip(b" \t")) for name, _, value in lines]))
            return slot.__get__(head)  # type: ignore[no-any-return]

    cls.fields = property(fields, slot.__set__)  # type: ignore[assignment]
    return cls


def index_of(fields: Fields) -> dict[bytes, Field]:
    """The fields by name in lower case, as heads keep them."""
    index = {field[0].lower(): field for field in fields}
    if len(index) != len(fields):
        counts = Counter([name.lower() for name, _ in fields])
        index.update((name, _SEVERAL) for name, count in counts.items() if count > 1)
    return index


def field_lines(fields: Fields) -> bytes:
    """`Name: value` and CRLF for each. :raises ValueError: one holds CR, LF or NUL, which would let it forge others."""
    data = b"".join([b"%s: %s\r\n" % field for field in fields])
    if data.count(b"\n") != len(fields) or data.count(b"\r") != len(fields) or b"\0" in data:
        raise ValueError("a header field holds CR, LF or NUL")
    return data


@lru_cache(maxsize=256)
def _encoded(fields: Fields) -> tuple[bytes, dict[bytes, Field]]:
    """The lines of fields and their index. What one request is given, the next on its connection mostly is, too."""
    return field_lines(fields), index_of(fields)


def _cut(block: bytes, name: bytes, field: Field) -> bytes:
    """`block` without the lines of a name, whose field is `field` unless there are several."""
    line = b"\r\n%s: %s\r\n" % field
    at = -1 if field is _SEVERAL else block.find(line)
    if at >= 0:
        return block[:at] + block[at + len(line) - 2 :]
    lines = block.split(b"\r\n")[1:-1]  # repeated, or with other blanks than ours
    return b"\r\n".join([b"", *[line for line in lines if line.partition(b":")[0].lower() != name], b""])


def _lower(name: bytes) -> bytes:
    if isinstance(name, str):
        raise TypeError(f"names of fields are bytes: write b{name!r}")
    return name.lower()


@_asked_late
@dataclass(frozen=True, slots=True)
class RequestHead(_Head):
    """A request line and its fields, already found valid. `minor` is 0 or 1 of HTTP/1.x."""

    method: bytes
    target: bytes  # origin-form; bytes as sent
    minor: int
    fields: Fields
    secure: bool = False  # whether it came to this daemon inside TLS
    _block: bytes | None = field(default=None, init=False, repr=False, compare=False)
    _index: dict[bytes, Field] | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def read(
        cls, method: bytes, target: bytes, minor: int, fields: Fields, block: bytes | None, *, secure: bool = False
    ) -> RequestHead:
        """One that came over the wire with `block`; None: as bytes it shall go on in another form."""
        head = cls(method, target, minor, fields, secure)
        _set(head, "_block", block)
        return head

    def _of(self, block: bytes, index: dict[bytes, Field]) -> RequestHead:
        head = RequestHead.__new__(RequestHead)
        _set(head, "method", self.method)
        _set(head, "target", self.target)
        _set(head, "minor", self.minor)
        _set(head, "secure", self.secure)
        _set(head, "_block", block)
        _set(head, "_index", index)
        return head


@_asked_late
@dataclass(frozen=True, slots=True)
class ResponseHead(_Head):
    """A status line and its fields, already found valid."""

    status: int
    reason: bytes
    fields: Fields
    minor: int = 1
    _block: bytes | None = field(default=None, init=False, repr=False, compare=False)
    _index: dict[bytes, Field] | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def read(cls, status: int, reason: bytes, fields: Fields, block: bytes | None, minor: int) -> ResponseHead:
        """As that of RequestHead."""
        head = cls(status, reason, fields, minor)
        _set(head, "_block", block)
        return head

    def _of(self, block: bytes, index: dict[bytes, Field]) -> ResponseHead:
        head = ResponseHead.__new__(ResponseHead)
        _set(head, "status", self.status)
        _set(head, "reason", self.reason)
        _set(head, "minor", self.minor)
        _set(head, "_block", block)
        _set(head, "_index", index)
        return head


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
