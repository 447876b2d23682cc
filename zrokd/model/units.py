"""Values as people write them: "30s", "64KiB", "127.0.0.1:8080", "unix:/run/x.sock", and secrets that do not print."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)?")
_SIZE_BYTES = {
    "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
    "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
}  # fmt: skip
_LONGEST_S, _LARGEST_BYTES = 1e12, 2**63


def parse_duration_s(text: str | float) -> float:
    """Seconds in `text`: "250ms", "30s", "1h30m", or a bare number of seconds.

    :raises ValueError: with a sentence fit for the operator.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        if not 0 <= text <= _LONGEST_S:
            raise ValueError("a duration cannot be negative or endless")
        return float(text)
    parts = _DURATION.findall(str(text))
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write it like 250ms, 30s, 5m or 1h30m")
    return parse_duration_s(sum(float(number) * _DURATION_S[unit] for number, unit in parts))


def parse_size_bytes(text: str | int) -> int:
    """Bytes in `text`: "64KiB", "50 GiB", "1MB", or a bare number of bytes.

    :raises ValueError: with a sentence fit for the operator.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        if not 0 <= text <= _LARGEST_BYTES:
            raise ValueError("a size cannot be negative or endless")
        return text
    match = _SIZE.fullmatch(str(text))
    if not match:
        raise ValueError(f"{text!r} is not a size; write it like 64KiB, 10MiB or 1GB")
    size = float(match[1]) * _SIZE_BYTES[match[2] or "B"]
    if size > _LARGEST_BYTES:
        raise ValueError("a size cannot be negative or endless")
    return int(size)


def format_size(size_bytes: int) -> str:
    """A size for people: 1536 is 1.5 KiB."""
    number, units = float(size_bytes), ["B", "KiB", "MiB", "GiB", "TiB"]
    while number >= 1024 and len(units) > 1:
        number /= 1024
        del units[0]
    return f"{number:.4g} {units[0]}"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or connect: a TCP host and port, or the path of a UNIX socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str | int) -> Address:
    """The address in `text`: "host:port", "[::1]:port", ":port" (loopback), a bare port, or "unix:/path".

    :raises ValueError: with a sentence fit for the operator.
    """
    text = str(text)
    if text.startswith("unix:"):
        path = text[5:]
        if not path.startswith("/"):
            raise ValueError(f"{text!r}: the path of a UNIX socket starts with /")
        return Address(path=path)
    host, colon, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not an address; write it like 127.0.0.1:8080, [::1]:8080 or unix:/run/x.sock")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, like [::1]:8080")
    return Address(host=host if colon and host else "127.0.0.1", port=int(port))


def is_host(text: str) -> bool:
    """Whether a resolver takes `text` for a name or an address: no empty label, none of more than 63 characters."""
    try:
        return bool(text.encode("idna"))
    except UnicodeError:
        return False


class Secret:
    """A text that does not print: `repr`, `str` and f-strings give ***; `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself. Keep the result out of logs, argv and errors."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)
