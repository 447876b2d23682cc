"""Programs made with OpenZiti's Go SDK dial what we bind and bind what we dial; neither side knows."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event
from zrokd_plugins.overlay_ziti import ZitiOverlay

from tests.ziti.network import BINARY
from zrokd.contracts import Node, Stream
from zrokd.errors import OverlayError, StreamError
from zrokd.testing.plugin import bench

pytestmark = [pytest.mark.timeout(280)]
WAIT_S = 20.0
EXCHANGES, AT_ONCE = 30_000, 16
GIGABYTE = 1_000_000_000
BLOCK = random.Random(5).randbytes(1 << 20)


@pytest.fixture
def nodes(ziti_network: Any, tmp_path: Path) -> Iterator[Callable[[], Node]]:
    """nodes(): a handle of ours, for an identity of its own."""
    with bench(tmp_path / "bench") as place, contextlib.ExitStack() as ends:
        place.ctx.offload(int)
        overlay = place.open(ZitiOverlay)

        def make() -> Node:
            return ends.enter_context(closing(overlay.node(identity_of(ziti_network))))

        yield make


@pytest.fixture(params=["encrypted", "plain"])
def service(request: pytest.FixtureRequest, ziti_network: Any) -> Iterator[str]:
    name = f"g-{os.urandom(4).hex()}"
    with ziti_network.prepared(name, encrypted=request.param == "encrypted"):
        yield name


@pytest.fixture
def go(ziti_network: Any, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """go("zcat", "ziti:name"): one of the demo programs, as an identity of its own; it is gone at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        document = tmp_path / f"go-{len(started)}.json"
        document.write_text(identity_of(ziti_network))
        command = [str(BINARY), "demo", name, "-i", str(document), *arguments]
        log = (tmp_path / f"{name}.log").open("ab")
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log))
        log.close()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def identity_of(network: Any) -> str:
    return str(network.identity(f"g-{os.urandom(6).hex()}", ["go"]))


@contextlib.contextmanager
def echo_by_go(go: Any, node: Node, service: str) -> Iterator[None]:
    """The echo server hosts the service, and has been seen to."""
    process = go("echo-server", "-s", service, "--cli-agent=false")
    drained = gevent.spawn(lambda: [None for _ in iter(lambda: process.stdout.read(65536), b"")])
    try:
        with gevent.Timeout(WAIT_S):
            while True:
                with contextlib.suppress(OverlayError):
                    node.dial(service, timeout_s=WAIT_S).close()
                    break
                gevent.sleep(0.05)
        yield
    finally:
        process.kill()
        drained.join()


@contextlib.contextmanager
def echo_by_us(node: Node, service: str) -> Iterator[list[str]]:
    """We host the service; whatever went wrong is in the list."""
    wrong: list[str] = []
    group = gevent.pool.Group()

    def one(stream: Stream) -> None:
        with closing(stream):
            try:
                while data := stream.recv(65536, WAIT_S):
                    stream.send(data, WAIT_S)
                stream.send_eof()
            except StreamError as error:
                wrong.append(str(error))

    def loop() -> None:
        while True:
            group.spawn(one, listener.accept()[0])

    with closing(node.bind(service)) as listener:
        serving = group.spawn(loop)
        yield wrong
        serving.kill()
        group.join(WAIT_S)


def exactly(stream: Stream, size: int) -> bytes:
    parts = []
    while size:
        part = stream.recv(min(size, 65536), WAIT_S)
        assert part, "it ended early"
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def there_and_back(stream: Stream, size: int) -> None:
    """So many bytes through an echo, hashed both ways."""
    sent, came = hashlib.sha256(), hashlib.sha256()

    def send() -> None:
        left = size
        while left:
            block = BLOCK[: min(left, len(BLOCK))]
            sent.update(block)
            stream.send(block, WAIT_S)
            left -= len(block)

    sending = gevent.spawn(send)
    buffer = memoryview(bytearray(1 << 18))
    left = size
    while left:
        count = stream.recv_into(buffer[: min(left, len(buffer))], WAIT_S)
        assert count, "it ended early"
        came.update(buffer[:count])
        left -= count
    sending.get(timeout=WAIT_S)
    assert sent.digest() == came.digest()


# -- they host ---


def test_a_go_host_answers_us(go, nodes, service):
    node = nodes()
    with echo_by_go(go, node, service), closing(node.dial(service, timeout_s=WAIT_S)) as stream:
        stream.send(b"hello", WAIT_S)
        assert exactly(stream, 5) == b"hello"


def test_a_go_host_sees_our_end(go, nodes, service):
    """The echo server closes once it has read the end."""
    node = nodes()
    with echo_by_go(go, node, service), closing(node.dial(service, timeout_s=WAIT_S)) as stream:
        stream.send(b"all", WAIT_S)
        assert exactly(stream, 3) == b"all"
        stream.send_eof()
        assert stream.recv(100, WAIT_S) == b""


def test_megabytes_go_to_a_go_host_and_back(go, nodes, service):
    node = nodes()
    with echo_by_go(go, node, service), closing(node.dial(service, timeout_s=WAIT_S)) as stream:
        there_and_back(stream, 20_000_000)


# -- they dial ---


def test_a_go_program_dials_us_and_both_see_the_end(go, nodes, service):
    with echo_by_us(nodes(), service) as wrong:
        process = go("zcat", f"ziti:{service}")
        answer, _ = process.communicate(b"hello from go")
        assert answer == b"hello from go"
        assert not wrong


def test_megabytes_come_from_a_go_program_and_go_back(go, nodes, service):
    size = 20_000_000
    with echo_by_us(nodes(), service) as wrong:
        assert through_zcat(go, service, size) == size
        assert not wrong


def through_zcat(go: Any, service: str, size: int) -> int:
    """So many bytes through zcat and an echo, hashed both ways; how many came back."""
    process = go("zcat", f"ziti:{service}")
    sent, came, count = hashlib.sha256(), hashlib.sha256(), 0
    done = Event()

    def feed() -> None:
        left = size
        while left:
            block = BLOCK[: min(left, len(BLOCK))]
            sent.update(block)
            process.stdin.write(block)
            left -= len(block)
        process.stdin.close()
        done.set()

    feeding = gevent.spawn(feed)
    while data := process.stdout.read1(1 << 18):
        came.update(data)
        count += len(data)
    assert done.wait(WAIT_S)
    feeding.get()
    process.stdin = None  # it is closed
    assert came.digest() == sent.digest()
    return count


# -- much of it ---


@pytest.mark.slow
def test_thirty_thousand_exchanges_with_a_go_host(go, nodes, service):
    node = nodes()
    with echo_by_go(go, node, service):

        def ask(first: int) -> None:
            with closing(node.dial(service, timeout_s=WAIT_S)) as stream:
                for number in range(first, EXCHANGES, AT_ONCE):
                    word = b"%032d" % number
                    stream.send(word, WAIT_S)
                    assert exactly(stream, len(word)) == word

        gevent.joinall([gevent.spawn(ask, first) for first in range(AT_ONCE)], raise_error=True)


@pytest.mark.slow
def test_thirty_thousand_exchanges_from_a_go_program(go, nodes, service):
    with echo_by_us(nodes(), service) as wrong:
        process = go("zcat", f"ziti:{service}")
        for number in range(EXCHANGES):
            word = b"%032d" % number
            process.stdin.write(word)
            process.stdin.flush()
            assert process.stdout.read(len(word)) == word
        process.stdin.close()
        assert process.stdout.read() == b""
        process.stdin = None  # it is closed
        assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("service", ["encrypted"], indirect=True)
def test_a_gigabyte_to_a_go_host_and_back(go, nodes, service):
    node = nodes()
    with echo_by_go(go, node, service), closing(node.dial(service, timeout_s=WAIT_S)) as stream:
        there_and_back(stream, GIGABYTE)


@pytest.mark.slow
@pytest.mark.parametrize("service", ["encrypted"], indirect=True)
def test_a_gigabyte_from_a_go_program_and_back(go, nodes, service):
    with echo_by_us(nodes(), service) as wrong:
        assert through_zcat(go, service, GIGABYTE) == GIGABYTE
        assert not wrong
