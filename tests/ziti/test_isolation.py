"""Visitors that stop reading hold up nobody but themselves, and cost little memory."""

from __future__ import annotations

import contextlib
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from tests.ziti.daemons import ACCOUNT, HOST, Daemons, connect_to
from tests.ziti.watch import eventually
from zrokd.client.controller import Controller
from zrokd.model.share import ShareDraft, ShareMode
from zrokd.model.units import Secret

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.leaves_behind("the daemons are the module's")]
MIB = 1024 * 1024
WHOLE = 100 * 10**6
READ_FIRST = 1 * MIB
ASKED = 200
HELD_MIB, HELD_OF_OTHERS_MIB = 2.0, 8.0
STALL_S, ASK_S = 10.0, 1.0
GO, ECHOED = "go-echo", 12 * MIB


@contextlib.contextmanager
def stalled(three: Daemons, count: int) -> Iterator[list[socket.socket]]:
    """So many visitors in the middle of 100 MB that read no further."""
    with contextlib.ExitStack() as ends:
        made = []
        for _ in range(count):
            sock = ends.enter_context(connect_to(three.where, "frontend", three.port))
            sock.sendall(f"GET /bytes/{WHOLE} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            got = 0
            while got < READ_FIRST:
                piece = sock.recv(min(64 * 1024, READ_FIRST - got))
                assert piece, "cut before it stalled"
                got += len(piece)
            made.append(sock)
        yield made


def latencies_ms(three: Daemons, count: int = ASKED) -> list[float]:
    """Of requests one after the other, each on a connection of its own; all are answered rightly."""
    took = []
    for number in range(count):
        began = time.perf_counter()
        with three.visitor(timeout_s=5.0) as visitor:
            answer = visitor.get(f"/{number}")
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status == 200
        assert f"/{number}\n".encode() in answer.body
    return took


def p99_ms(three: Daemons) -> float:
    """The middle of three rounds: a shared core has hiccups of its own."""
    return statistics.median(statistics.quantiles(latencies_ms(three), n=100)[98] for _ in range(3))


def memory_mib(*pids: int) -> float:
    """What these processes hold, shared pages counted once by each."""
    return sum(
        int(line.split()[1]) / 1024
        for pid in pids
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )


@pytest.mark.parametrize("count", [8, 64])
def test_visitors_that_stop_reading_hold_up_nobody(three, count, capsys):
    pids = [daemon_pid(three, name) for name in ("frontend", "backend")]
    latencies_ms(three, 20)
    idle_before = p99_ms(three)
    before = memory_mib(*pids)
    with stalled(three, count) as visitors:
        gevent.sleep(2)  # what is in flight arrives
        held = (memory_mib(*pids) - before) / count
        loaded = p99_ms(three)
        assert_goes_on(visitors[0])
    idle = max(idle_before, p99_ms(three))  # cores are shared: a quiet moment before says little of the one after
    with capsys.disabled():
        print(f"\n{count} stalled: p99 {loaded:.1f} ms (idle {idle:.1f}), {held:.2f} MiB held a stream", end=" ")
    assert loaded <= 2 * idle + 1.0
    assert held <= 2 * HELD_MIB  # frontend and backend each


def assert_goes_on(sock: socket.socket) -> None:
    """Who stopped and reads again gets the rest."""
    sock.settimeout(30)
    got = READ_FIRST
    while got < WHOLE:
        piece = sock.recv(MIB)
        assert piece, f"cut after {got} bytes"
        got += len(piece)


def daemon_pid(three: Daemons, name: str) -> int:
    """The process itself: what started it may stand before it."""
    pid = three.processes[name].pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children and three.where.prefix(name) else pid


# -- a share that OpenZiti's Go library hosts: it knows no flow control of one stream ---


@pytest.fixture
def go_share(three) -> Iterator[str]:
    """A private share that OpenZiti's own echo server hosts, and nobody of ours; its token."""
    url = f"http://{three.where.hub}:{three.api_port}"
    controller = Controller(url, Secret(ACCOUNT))
    identity = controller.enable("go", "here")
    token, _ = controller.share(ShareDraft(env_z_id=identity.z_id, share_mode=ShareMode.PRIVATE, token=GO, mode="tcp"))
    document = three.folder / "go.json"
    document.write_text(identity.document)
    arguments = ("demo", "echo-server", "-i", str(document), "-s", token, "--cli-agent=false")
    child = three.network.program.start(*arguments, output=subprocess.DEVNULL)
    try:
        eventually(lambda: three.network.terminators(token), 20)
        yield token
    finally:
        child.kill()
        child.wait()
        controller.disable(identity.z_id)
        controller.close()


@contextlib.contextmanager
def access_to(three: Daemons, token: str) -> Iterator[int]:
    """A port of the frontend's host that leads to a private share."""
    file, port = three.frontend.file, three.more_ports(1)[0]
    text = file.read_text()
    at = f"{three.where.host('frontend')}:{port}"
    file.write_text(text.replace("accesses: [", f"accesses: [{{share: {token}, listen: '{at}'}}, "))
    three.frontend.reload()
    yield port
    file.write_text(text)
    three.frontend.reload()


def echoed(three: Daemons, port: int, text: bytes, limit_s: float = 5.0) -> bytes:
    """What the echo server says to `text`; b"" when nothing came."""
    try:
        with connect_to(three.where, "frontend", port, limit_s) as sock:
            sock.sendall(text)
            got = b""
            while len(got) < len(text) and (piece := sock.recv(65536)):
                got += piece
            return got
    except OSError:
        return b""


def test_a_stalled_visitor_of_a_go_share_is_cut_and_the_share_is_back(three, go_share, capsys):
    with access_to(three, go_share) as port:
        eventually(lambda: echoed(three, port, b"hello") == b"hello", 20, three.logs)
        pid = daemon_pid(three, "frontend")
        idle, before = p99_ms(three), memory_mib(pid)
        with connect_to(three.where, "frontend", port) as sock, Guests(three, port) as guests:
            filler = gevent.spawn(fill, sock)
            eventually(lambda: not guests.are_answered, STALL_S, lambda: "a Go host has a flow control now?")
            loaded = p99_ms(three)
            eventually(lambda: guests.are_answered, 4 * STALL_S, three.logs)
            filler.kill()
        held = guests.most_mib - before
        idle = max(idle, p99_ms(three))  # as above
        with capsys.disabled():
            print(
                f"\na Go share with a stalled visitor: others p99 {loaded:.1f} ms (idle {idle:.1f} ms),"
                f" back after {guests.longest_s:.1f} s, {held:.1f} MiB held",
                end=" ",
            )
        assert loaded <= 2 * idle + 1.0
        assert guests.longest_s <= STALL_S
        assert held <= HELD_OF_OTHERS_MIB


class Guests:
    """Visitors of an echo server, one after the other, who do not wait long."""

    def __init__(self, three: Daemons, port: int) -> None:
        self._three, self._port = three, port
        self._good_at = time.monotonic()
        self.longest_s = self.most_mib = 0.0  # without an answer; held by the frontend
        self.are_answered = True
        self._ended = False
        self._asking = gevent.spawn(self._go)

    def __enter__(self) -> Guests:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._asking.join(10)

    def _go(self) -> None:
        while not self._ended:
            self.most_mib = max(self.most_mib, memory_mib(daemon_pid(self._three, "frontend")))
            self.are_answered = echoed(self._three, self._port, b"again", ASK_S) == b"again"
            if self.are_answered:
                now = time.monotonic()
                self.longest_s, self._good_at = max(self.longest_s, now - self._good_at), now
            gevent.sleep(0.05)


def fill(sock: socket.socket) -> None:
    """Send what comes back as more than anybody holds for a visitor, and read nothing of it."""
    with contextlib.suppress(OSError):
        sock.sendall(b"x" * ECHOED)
