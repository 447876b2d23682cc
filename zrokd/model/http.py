"""HTTP heads as gates and filters see them, and what a gate can answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

Fields = tuple[tuple[bytes, bytes], ...]  # names as sent; values without surrounding blanks
_MOST_PRINTED = 2000


def _get(fields: Fields, name: bytes) -> bytes | None:
    if isinstance(name, str):
        raise TypeError(f"names of fields are bytes: write b{name!r}")
    name = name.lower()
    return next((value for key, value in fields if key.lower() == name), None)


def _all(fields: Fields, name: bytes) -> list[bytes]:
    name = name.lower()
    return [value for key, value in fields if key.lower() == name]


def _without(fields: Fields, names: Iterable[bytes]) -> Fields:
    drop = {name.lower() for name in names}
    return tuple(field for field in fields if field[0].lower() not in drop)


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request line and its fields, already found valid. `minor` is 0 or 1 of HTTP/1.x."""

    method: bytes
    target: bytes  # origin-form; bytes as sent
    minor: int
    fields: Fields
    secure: bool = False  # whether it came to this daemon inside TLS

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field, or None. The name's case does not matter."""
        return _get(self.fields, name)

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a field, in order. The name's case does not matter."""
        return _all(self.fields, name)

    def with_field(self, name: bytes, value: bytes) -> RequestHead:
        """A copy in which this is the only field of that name."""
        return replace(self, fields=(*_without(self.fields, [name]), (name, value)))

    def without(self, *names: bytes) -> RequestHead:
        """A copy without these fields."""
        return replace(self, fields=_without(self.fields, names))


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A status line and its fields, already found valid."""

    status: int
    reason: bytes
    fields: Fields
    minor: int = 1

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field, or None. The name's case does not matter."""
        return _get(self.fields, name)

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a field, in order. The name's case does not matter."""
        return _all(self.fields, name)

    def with_field(self, name: bytes, value: bytes) -> ResponseHead:
        """A copy in which this is the only field of that name."""
        return replace(self, fields=(*_without(self.fields, [name]), (name, value)))

    def without(self, *names: bytes) -> ResponseHead:
        """A copy without these fields."""
        return replace(self, fields=_without(self.fields, names))


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
    peer: str
    method: str
    target: str  # cut to 2,000 characters, control bytes escaped
    status: int  # 0 when no answer was sent
    rx_bytes: int  # body bytes from the visitor
    tx_bytes: int  # body bytes to the visitor
    duration_s: float
    outcome: str = "ok"  # or why it ended early


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
