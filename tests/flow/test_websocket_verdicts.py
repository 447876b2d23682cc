"""A websocket server says the same about each sequence of frames, asked directly or through zrokd."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct

import pytest

from tests.certificates import issue
from tests.flow.conftest import echoing
from zrokd.testing.scenario import Scenario

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(90),
    pytest.mark.leaves_behind("the daemons are the module's; busy ones connect once more"),
]
ZONE, HOST = issue("*.share.localhost"), "app.share.localhost"
MASK = b"\1\2\3\4"
TEXT, BINARY, MORE, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """One frame as a client sends it. Source: RFC 6455 §5.2."""
    first, mask = (0x80 if fin else 0) | rsv << 4 | opcode, 0x80 if masked else 0
    if len(data) < 126:
        head = struct.pack("!BB", first, mask | len(data))
    elif len(data) < 1 << 16:
        head = struct.pack("!BBH", first, mask | 126, len(data))
    else:
        head = struct.pack("!BBQ", first, mask | 127, len(data))
    if not masked:
        return head + data
    key = (MASK * (len(data) // 4 + 1))[: len(data)]
    return head + MASK + (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(len(data), "big")


def close(code: int = 1000, why: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + why)


def _echo(size: int) -> int:
    """The length of a frame of a server."""
    return len(frame(TEXT, bytes(size), masked=False))


LENGTHS = (0, 1, 125, 126, 127, 65535, 65536, 300_000)
# What is sent, and how many bytes are waited for before the last piece: after a close a server need not answer.
CASES = {
    **{f"text of {size}": ([frame(TEXT, b"*" * size), close()], _echo(size)) for size in LENGTHS},
    **{f"binary of {size}": ([frame(BINARY, b"\xfe" * size), close()], _echo(size)) for size in LENGTHS},
    "byte by byte": ([*(bytes([byte]) for byte in frame(TEXT, b"slow and sure")), close()], _echo(13)),
    "many in one piece": ([frame(TEXT, b"a") * 200, close()], 200 * _echo(1)),
    "in fragments": (
        [frame(TEXT, b"one ", fin=False), frame(MORE, b"two ", fin=False), frame(MORE, b"three"), close()],
        _echo(13),
    ),
    "a ping between fragments": (
        [frame(TEXT, b"a", fin=False), frame(PING, b"p"), frame(MORE, b"b"), close()],
        _echo(2) + _echo(1),
    ),
    "a ping": ([frame(PING), frame(PING, b"x" * 125), close()], _echo(0) + _echo(125)),
    "a ping that is too long": ([frame(PING, b"x" * 126)], 0),
    "a ping in fragments": ([frame(PING, b"x", fin=False)], 0),
    "a pong that nobody asked for": ([frame(PONG, b"x"), frame(TEXT, b"on"), close()], _echo(2)),
    "reserved bits": ([frame(TEXT, b"x", rsv=4)], 0),
    "a reserved opcode": ([frame(3, b"x")], 0),
    "a reserved opcode of control": ([frame(11, b"x")], 0),
    "no mask": ([frame(TEXT, b"x", masked=False)], 0),
    "a continuation of nothing": ([frame(MORE, b"x")], 0),
    "a new message within another": ([frame(TEXT, b"x", fin=False), frame(TEXT, b"y")], 0),
    "text that is no UTF-8": ([frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80")], 0),
    "text cut within a letter": ([frame(TEXT, "κόσμε".encode()[:-1])], 0),
    "text split within a letter": (
        [frame(TEXT, "κό".encode()[:3], fin=False), frame(MORE, "κό".encode()[3:]), close()],
        _echo(4),
    ),
    "a close without a code": ([frame(CLOSE)], 0),
    "a close of one byte": ([frame(CLOSE, b"\3")], 0),
    "a close with a reason": ([close(1001, b"going")], 0),
    "a close of our own kind": ([close(4999, b"mine")], 0),
    **{f"a close of {code}": ([close(code)], 0) for code in (999, 1004, 1005, 1006, 1015, 2000, 5000)},
    "a reason that is no UTF-8": ([close(1000, b"\xff\xff")], 0),
    "bytes after the close": ([close() + frame(TEXT, b"late")], 0),
}


def verdict(sock: socket.socket, pieces: list[bytes], awaited: int) -> bytes:
    """Every byte behind the head of the answer, until the end."""
    head = (
        f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    sock.sendall(head.encode())
    got = b""
    while b"\r\n\r\n" not in got:
        got += sock.recv(65536)
    answer, _, got = got.partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        for piece in pieces[:-1]:
            sock.sendall(piece)
        while len(got) < awaited and (data := sock.recv(65536)):
            got += data
        sock.sendall(pieces[-1])
    with contextlib.suppress(ConnectionError):
        while data := sock.recv(65536):
            got += data
    return got


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    """Ports of the ways to one server, by name."""
    with echoing() as server:
        shares = [{"name": "app", "target": f"http://127.0.0.1:{server}"}]
        tls = {"certificates": [{"chain": ZONE.chain, "key": ZONE.key}]}
        changes = {"roles": {"frontend": {"tls": tls}, "backend": {"verify": False}}}
        with (
            Scenario(tmp_path_factory.mktemp("plain"), shares=shares) as plain,
            Scenario(tmp_path_factory.mktemp("tls"), shares=shares, changes=changes) as inside,
        ):
            yield {"direct": server, "plain": plain.frontend.port, "tls": inside.frontend.port}


def connect(doors, way):
    sock = socket.create_connection(("127.0.0.1", doors[way]), 10)
    if way == "tls":
        return ssl.create_default_context(cadata=ZONE.chain).wrap_socket(sock, server_hostname=HOST)
    return sock


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_the_servers_own(doors, case):
    said = {}
    for way in doors:
        with connect(doors, way) as sock:
            said[way] = verdict(sock, *CASES[case])
    assert said["direct"]
    assert said["plain"] == said["direct"]
    assert said["tls"] == said["direct"]
