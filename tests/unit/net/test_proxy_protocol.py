"""PROXY headers, read in pieces and written. No I/O here."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import Invalid
from zrokd.model.units import Address
from zrokd.net.proxy_protocol import HeaderReader, encode

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
REST = b"GET / HTTP/1.1\r\n\r\n"


def binary(command: int, family: int, body: bytes, *, length: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body) if length is None else length) + body


FOUR = bytes([192, 0, 2, 7, 10, 0, 0, 1]) + struct.pack("!HH", 4711, 443)
SIX = ipaddress.ip_address("2001:db8::7").packed + ipaddress.ip_address("::1").packed + struct.pack("!HH", 4711, 443)
TLVS = b"\x03\x00\x04abcd\x04\x00\x00\x20\x00\x05\x01\0\0\0\0"

TAKEN = [
    (b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n", "192.0.2.7:4711"),
    (b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0"),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"),
    (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n", "[2001:db8::7]:4711"),
    (b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n", f"[{'ffff:' * 7}ffff]:65535"),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN anything up to its end\r\n", None),
    (b"PROXY UNKNOWN " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n", None),
    (binary(0x21, 0x11, FOUR), "192.0.2.7:4711"),
    (binary(0x21, 0x11, FOUR + TLVS), "192.0.2.7:4711"),
    (binary(0x21, 0x11, FOUR + bytes(4084)), "192.0.2.7:4711"),
    (binary(0x21, 0x21, SIX), "[2001:db8::7]:4711"),
    (binary(0x21, 0x21, SIX + TLVS), "[2001:db8::7]:4711"),
    (binary(0x21, 0x31, bytes(216)), None),
    (binary(0x21, 0x00, b""), None),
    (binary(0x21, 0x00, TLVS), None),
    (binary(0x20, 0x00, b""), None),
    (binary(0x20, 0x11, FOUR), None),
    (binary(0x20, 0xFF, TLVS), None),
]

REFUSED = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    b"PROXY\r\n" + bytes(20),
    b"PROXYTCP4 192.0.2.7 10.0.0.1 4711 443\r\n",
    b"proxy TCP4 192.0.2.7 10.0.0.1 4711 443\r\n",
    b" PROXY UNKNOWN\r\n",
    b"PROXY  TCP4 192.0.2.7 10.0.0.1 4711 443\r\n",
    b"PROXY TCP5 192.0.2.7 10.0.0.1 4711 443\r\n",
    b"PROXY tcp4 192.0.2.7 10.0.0.1 4711 443\r\n",
    b"PROXY TCP4\t192.0.2.7 10.0.0.1 4711 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 4711\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443 \r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443 5\r\n",
    b"PROXY TCP4 192.0.2 10.0.0.1 4711 443\r\n",
    b"PROXY TCP4 192.0.2.07 10.0.0.1 4711 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.256 4711 443\r\n",
    b"PROXY TCP4 2001:db8::7 ::1 4711 443\r\n",
    b"PROXY TCP6 192.0.2.7 10.0.0.1 4711 443\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::1 4711 443\r\n",
    b"PROXY TCP4 localhost 10.0.0.1 4711 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 04711 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 -1 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 +1 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 1_0 443\r\n",
    "PROXY TCP4 192.0.2.7 10.0.0.1 \u0663 443\r\n".encode(),
    b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 999999999999\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\n" + bytes(80),
    b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
    b"PROXY TCP4 " + b"1" * 200,
    SIGNATURE[:-1] + b"X" + bytes(20),
    binary(0x11, 0x11, FOUR),  # version 1 in the second one's form
    binary(0x22, 0x11, FOUR),
    binary(0x2F, 0x11, FOUR),
    binary(0x21, 0x12, FOUR),  # datagrams
    binary(0x21, 0x22, SIX),
    binary(0x21, 0x32, bytes(216)),
    binary(0x21, 0x41, FOUR),
    binary(0x21, 0x11, FOUR[:-1]),
    binary(0x21, 0x21, FOUR),
    binary(0x21, 0x11, b""),
    binary(0x21, 0x11, FOUR, length=4097),
    binary(0x20, 0x00, b"", length=65535),
]


def read(data: bytes, most: int = 1 << 20) -> tuple[Address | None, bytes]:
    """Who connects, and what was left unread. Pieces of `most` bytes."""
    reader = HeaderReader()
    while reader.wants:
        count = min(reader.wants, most, len(data))
        if not count:
            raise EOFError
        piece, data = data[:count], data[count:]
        reader.feed(piece)
    return reader.source, data


@pytest.mark.parametrize(("header", "source"), TAKEN)
@pytest.mark.parametrize("most", [1, 2, 3, 1 << 20])
def test_a_header_says_who_connects_and_nothing_behind_it_is_read(header, source, most):
    found, rest = read(header + REST, most)
    assert (found and str(found), rest) == (source, REST)


@pytest.mark.parametrize(("header", "source"), TAKEN)
def test_it_may_come_split_anywhere(header, source):
    for place in range(1, min(len(header), 300)):
        reader, parts = HeaderReader(), [header[:place], header[place:]]
        for part in parts:
            while part:
                assert reader.wants
                piece, part = part[: reader.wants], part[reader.wants :]
                reader.feed(piece)
        assert (reader.wants, reader.source and str(reader.source)) == (0, source)


@pytest.mark.parametrize(("header", "source"), TAKEN)
def test_what_ends_within_a_header_is_none(header, source):
    for place in range(len(header)):
        with pytest.raises(EOFError):
            read(header[:place])


@pytest.mark.parametrize("header", REFUSED)
@pytest.mark.parametrize("most", [1, 1 << 20])
def test_what_is_malformed_is_refused(header, most):
    with pytest.raises(Invalid):
        read(header, most)


@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\0"]))
def test_whatever_comes_it_is_a_header_or_refused_or_unfinished(data, begin):
    try:
        source, rest = read(begin + data)
    except (Invalid, EOFError):
        return
    assert (begin + data).endswith(rest)
    assert source is None or ipaddress.ip_address(source.host)


PORTS = st.integers(0, 65535)


@given(st.sampled_from(["v1", "v2"]), st.ip_addresses(), PORTS, st.ip_addresses(), PORTS)
def test_what_is_written_is_read_as_the_same(version, host, port, other, other_port):
    header = encode(version, Address(str(host), port), Address(str(other), other_port))
    assert read(header + REST) == (Address(str(host), port), REST)
    assert len(header) <= 107


@pytest.mark.parametrize(
    ("version", "source", "target", "header"),
    [
        ("v1", Address("192.0.2.7", 4711), Address("10.0.0.1", 80), b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n"),
        ("v1", Address("::7", 1), Address("10.0.0.1", 80), b"PROXY TCP6 ::7 :: 1 80\r\n"),
        ("v1", Address("192.0.2.7", 1), Address("db", 80), b"PROXY TCP4 192.0.2.7 0.0.0.0 1 80\r\n"),
        ("v1", Address("192.0.2.7", 1), Address(path="/run/x"), b"PROXY TCP4 192.0.2.7 0.0.0.0 1 0\r\n"),
        ("v1", None, Address("10.0.0.1", 80), b"PROXY UNKNOWN\r\n"),
        ("v1", Address("a\r\nb", 1), Address("10.0.0.1", 80), b"PROXY UNKNOWN\r\n"),
        ("v2", None, None, SIGNATURE + b"\x20\0\0\0"),
        ("v2", Address("192.0.2.7", 4711), Address("10.0.0.1", 443), binary(0x21, 0x11, FOUR)),
        ("v2", Address("2001:db8::7", 4711), Address("::1", 443), binary(0x21, 0x21, SIX)),
    ],
)
def test_headers_as_they_are_written(version, source, target, header):
    assert encode(version, source, target) == header
