"""PROXY protocol: a balancer's first bytes, which say who really connects. Source: proxy-protocol.txt of HAProxy.

No I/O here: `HeaderReader` says how many bytes may be read, so that none of what follows is taken.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Literal

from zrokd.errors import Invalid
from zrokd.model.units import Address

Version = Literal["v1", "v2"]
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = len(_SIGNATURE) + 4
_SHORTEST = len(b"PROXY UNKNOWN\r\n")
_LONGEST_LINE = 107
_LONGEST = 4096  # of what follows the fixed part of v2
_LOCAL, _PROXY = 0x20, 0x21
_FAMILIES = {0x11: "TCP4", 0x21: "TCP6"}
_NAMELESS = frozenset([0x00, 0x31])  # unspecified, UNIX stream
_LAYOUTS = {"TCP4": struct.Struct("!4s4sHH"), "TCP6": struct.Struct("!16s16sHH")}
_CODES = {name: code for code, name in _FAMILIES.items()}
_KINDS = {"TCP4": ipaddress.IPv4Address, "TCP6": ipaddress.IPv6Address}


class HeaderReader:
    """Takes a header in pieces: read up to `wants` bytes, `feed` them, until `wants` is 0; then `source` is right."""

    def __init__(self) -> None:
        self.source: Address | None = None  # who connects; None: the balancer itself, or it does not tell
        self.wants = _SHORTEST
        self._data = b""

    def feed(self, data: bytes) -> None:
        """Take bytes, not more than `wants`. :raises Invalid: this is no header, or one that is not taken."""
        self._data += data
        if not _begins(self._data, _SIGNATURE):
            self._feed_line()
        elif len(self._data) < _FIXED:
            self.wants = _FIXED - len(self._data)
        else:
            self._feed_binary()

    def _feed_line(self) -> None:
        line = self._data
        if not _begins(line, b"PROXY "):
            raise Invalid("it does not begin with a PROXY header")
        if line.endswith(b"\r\n"):
            self.source, self.wants = _parse_line(line[:-2]), 0
        elif len(line) >= _LONGEST_LINE or b"\n" in line:
            raise Invalid("its PROXY header is malformed")
        else:
            self.wants = max(_SHORTEST - len(line), 1 if line.endswith(b"\r") else 2)
            self.wants = min(self.wants, _LONGEST_LINE - len(line))

    def _feed_binary(self) -> None:
        command, family, length = struct.unpack("!BBH", self._data[len(_SIGNATURE) : _FIXED])
        if length > _LONGEST:
            raise Invalid(f"its PROXY header is longer than {_LONGEST} bytes")
        self.wants = _FIXED + length - len(self._data)
        if not self.wants:
            self.source = _parse_binary(command, family, self._data[_FIXED:])


def encode(version: Version, source: Address | None, target: Address | None) -> bytes:
    """A header that says: `source` connected to `target`. Where `source` is no IP address: that nobody knows.

    A target of another kind than the source, or that has a name, is told as 0.0.0.0 or ::.
    """
    family = _family(source)
    if source is None or not family:
        return b"PROXY UNKNOWN\r\n" if version == "v1" else _SIGNATURE + struct.pack("!BBH", _LOCAL, 0, 0)
    if target is None or _family(target) != family:
        target = Address(str(_KINDS[family](0)), target.port if target else 0)
    if version == "v1":
        return f"PROXY {family} {source.host} {target.host} {source.port} {target.port}\r\n".encode()
    packed = [ipaddress.ip_address(address.host).packed for address in (source, target)]
    body = _LAYOUTS[family].pack(*packed, source.port, target.port)
    return _SIGNATURE + struct.pack("!BBH", _PROXY, _CODES[family], len(body)) + body


def _begins(data: bytes, mark: bytes) -> bool:
    """Whether `data` begins with `mark`, as far as it goes."""
    return data[: len(mark)] == mark[: len(data)]


def _parse_line(line: bytes) -> Address | None:
    family, *rest = line.decode("latin-1").split(" ")[1:]
    if family == "UNKNOWN":
        return None
    if family not in _KINDS or len(rest) != 4:
        raise Invalid("its PROXY header is malformed")
    source, _ = (Address(_host(family, rest[place]), _port(rest[place + 2])) for place in (0, 1))
    return source


def _host(family: str, text: str) -> str:
    try:
        if "%" in text:
            raise ValueError
        return str(_KINDS[family](text))
    except ValueError as error:
        raise Invalid("its PROXY header holds a malformed address") from error


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 5 or str(int(text)) != text or int(text) > 65535:
        raise Invalid("its PROXY header holds a malformed port")
    return int(text)


def _parse_binary(command: int, family: int, body: bytes) -> Address | None:
    if command == _LOCAL:
        return None
    if command != _PROXY:
        raise Invalid("its PROXY header has an unknown version or command")
    if family in _NAMELESS:
        return None
    layout = _LAYOUTS.get(_FAMILIES.get(family, ""))
    if layout is None or len(body) < layout.size:
        raise Invalid("its PROXY header has an unknown family, or no room for its addresses")
    source, _, port, _ = layout.unpack_from(body)  # what follows (TLVs) is not needed
    return Address(str(ipaddress.ip_address(source)), port)


def _family(address: Address | None) -> str:
    try:
        version = ipaddress.ip_address(address.host).version if address else 0
    except ValueError:
        return ""
    return {4: "TCP4", 6: "TCP6"}.get(version, "")
