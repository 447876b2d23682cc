"""Three daemons joined only by a real OpenZiti network: what a visitor and a guest get is what the target sent."""

from __future__ import annotations

import hashlib
import statistics
import time

import gevent
import pytest
from websockets.sync.client import connect as websocket

from tests.flow.conftest import digest_of, pieces
from tests.ziti.daemons import ZONE, connect_to, websocket_server_at

pytestmark = [pytest.mark.timeout(300), pytest.mark.leaves_behind("the daemons are the module's")]
KIB, MIB, GB = 1024, 1024 * 1024, 10**9
PROMPT_S = 0.2
SIZES = [KIB, 100_000, MIB, 64 * MIB, GB]
ROADS = ["public share", "private access"]


@pytest.fixture
def visitor(three, request):
    """Somebody at the public entrance, or at the private access."""
    made = three.guest(60.0) if request.param == "private access" else three.visitor(timeout_s=60.0)
    with made:
        yield made


@pytest.mark.parametrize("visitor", ROADS, indirect=True)
def test_a_request_reaches_the_target(three, visitor):
    answer = visitor.get("/hello?a=b")
    assert (answer.status, answer.body) == (200, f"target {three.target.port} /hello?a=b\n".encode())


def test_nobody_reaches_the_target_but_through_the_overlay(three):
    if not three.where.apart:
        pytest.skip("everybody stands on loopback here")
    for name in ("frontend", "hub"):
        with three.where.inside(name), pytest.raises(OSError):
            connect_to(three.where, "backend", three.target.port, timeout_s=1.0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("visitor", ROADS, indirect=True)
def test_a_body_comes_down_whole(visitor, size, capsys):
    began, digest, got = time.monotonic(), hashlib.sha256(), 0
    visitor.connection.request("GET", f"/bytes/{size}", headers={"Host": visitor.host})
    answer = visitor.connection.getresponse()
    while piece := answer.read(256 * KIB):
        digest.update(piece)
        got += len(piece)
    tell(capsys, "down", got, time.monotonic() - began)
    assert (answer.status, got, digest.hexdigest()) == (200, size, digest_of(size))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("visitor", ROADS, indirect=True)
def test_a_body_goes_up_whole(visitor, size, capsys):
    began = time.monotonic()
    answer = visitor.ask("POST", "/hash", pieces(size))
    tell(capsys, "up", size, time.monotonic() - began)
    assert answer.body.decode() == f"{size} {digest_of(size)}"


def tell(capsys, way, size, took_s) -> None:
    if size >= MIB:
        with capsys.disabled():
            print(f"\n{size / 1e6:.0f} MB {way}: {size / 1e6 / took_s:.0f} MB/s", end=" ")


@pytest.mark.parametrize("visitor", ROADS, indirect=True)
def test_events_arrive_one_by_one(three, visitor):
    visitor.connection.request("GET", "/events", headers={"Host": visitor.host})
    answer = visitor.connection.getresponse()
    took_s = []
    for number in range(50):
        sent_at = time.monotonic()
        three.target.events.put(f"event {number}")
        assert answer.readline() == f"data: event {number}\n".encode()
        took_s.append(time.monotonic() - sent_at)
        assert answer.readline() == b"\n"
    three.target.events.put(None)
    assert answer.read() == b""
    assert statistics.median(took_s) < PROMPT_S / 4
    assert max(took_s) < PROMPT_S


def test_a_websocket_echoes(three):
    with websocket_server_at(three.where, "backend") as port:
        three.add_share(f"{{name: chat, target: 'http://127.0.0.1:{port}'}}")
        three.wait_for(lambda: three.status(f"chat.{ZONE}") not in (0, 404, 502, 503))
        sock = connect_to(three.where, "frontend", three.port)
        with websocket(f"ws://chat.{ZONE}/room", sock=sock, proxy=None, open_timeout=10) as connection:
            for message in ("text", "", "ü" * 70_000, b"\x00\xff" * 100_000):
                connection.send(message)
                assert connection.recv(timeout=10) == message
            connection.ping().wait(10)


def test_many_at_once_get_each_their_own(three):
    def ask(number: int) -> str:
        size = 1000 + 997 * number
        with three.visitor(timeout_s=60.0) as visitor:
            answer = visitor.get(f"/bytes/{size}")
        return "right" if hashlib.sha256(answer.body).hexdigest() == digest_of(size) else f"{size}: {answer.status}"

    jobs = [gevent.spawn(ask, number) for number in range(100)]
    gevent.joinall(jobs, raise_error=True)
    assert {job.value for job in jobs} == {"right"}


def test_a_new_share_is_reached_soon_after_it_is_told(three, capsys):
    began = time.monotonic()
    three.add_share("{name: later, mode: hello}")
    three.wait_for_traffic(10.0, f"later.{ZONE}")
    with capsys.disabled():
        print(f"\na share added by a reload: first answer after {time.monotonic() - began:.2f} s", end=" ")


def test_each_daemon_says_that_it_is_ready(three):
    assert {name: process.ready()[0] for name, process in three.processes.items()} == dict.fromkeys(
        three.processes, 200
    )


def test_no_log_tells_of_an_error(three):
    records = [record for process in three.processes.values() for record in process.records()]
    assert [record for record in records if record["level"] in ("error", "critical")] == []
