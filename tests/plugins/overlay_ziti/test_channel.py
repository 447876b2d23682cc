import os
from contextlib import contextmanager

import gevent
import gevent.queue
import pytest
from gevent import socket
from zrokd_plugins.overlay_ziti.channel import Channel
from zrokd_plugins.overlay_ziti.closings import Closings
from zrokd_plugins.overlay_ziti.flow import Flags
from zrokd_plugins.overlay_ziti.frames import FrameReader, Key, Kind, encode, i32, pack, u32
from zrokd_plugins.overlay_ziti.settings import EdgeSettings

from zrokd.errors import OverlayError, OverlayTimeout

WAIT_S = 10.0


class Router:
    """The far end of a channel, by hand."""

    def __init__(self, sock):
        self.sock, self._reader, self._frames = sock, FrameReader(), []

    def next(self):
        while not self._frames:
            data = self.sock.recv(65536)
            assert data, "the channel was closed"
            self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    def send(self, kind, fields=(), body=b"", sequence=1):
        self.sock.sendall(encode(kind, sequence, pack(fields), body))

    def answer(self, frame, kind=Kind.RESULT, fields=(), body=b""):
        self.send(kind, [(Key.REPLY, i32(frame.sequence)), *fields], body)


class Tenant:
    def __init__(self):
        self.frames, self.lost = [], gevent.event.AsyncResult()

    def on_frame(self, frame):
        self.frames.append(frame)

    def on_lost(self, reason):
        self.lost.set(reason)


@pytest.fixture
def made(zrokd_bench):
    zrokd_bench.ctx.offload(int)

    @contextmanager
    def make(**settings):
        near, far = socket.socketpair()
        far.settimeout(WAIT_S)
        log, spawn = zrokd_bench.ctx.log, zrokd_bench.ctx.spawn
        closings = Closings(lambda: None, gevent.sleep, log, spawn)
        channel = Channel(near, "r1", settings=EdgeSettings(**settings), closings=closings, log=log, spawn=spawn)
        try:
            yield channel, Router(far)
        finally:
            channel.close("the test is over")
            far.close()

    return make


def test_who_waits_in_a_crowd_has_patience_while_those_before_are_answered(made):
    with made() as (channel, router):
        asking = [gevent.spawn(channel.request, Kind.CONNECT, [], b"", 0.4) for _ in range(5)]
        for frame in [router.next() for _ in asking]:
            gevent.sleep(0.2)
            router.answer(frame, Kind.CONNECTED)
        gevent.joinall(asking, timeout=WAIT_S, raise_error=True)


def test_answers_to_those_behind_give_no_patience(made):
    with made() as (channel, router):
        ignored = gevent.spawn(channel.request, Kind.CONNECT, [], b"", 0.4)
        router.next()
        while not ignored.ready():
            asking = gevent.spawn(channel.request, Kind.CONNECT, [], b"", WAIT_S)
            router.answer(router.next(), Kind.CONNECTED)
            asking.get()
            gevent.sleep(0.02)
        with pytest.raises(OverlayTimeout, match="r1 did not answer within 0.4 s"):
            ignored.get()


def test_a_limit_around_a_request_is_the_callers(made):
    class Mine(BaseException):
        pass

    with made() as (channel, _), pytest.raises(Mine), gevent.Timeout(0.05, Mine):
        channel.request(Kind.CONNECT, [], b"", WAIT_S)


def test_a_request_gets_its_own_answer(made):
    with made() as (channel, router):
        asking = [gevent.spawn(channel.request, Kind.HELLO, [], b"%d" % n, WAIT_S) for n in range(3)]
        frames = [router.next() for _ in asking]
        for frame in reversed(frames):
            router.answer(frame, body=frame.body * 2)
        assert [one.get(timeout=WAIT_S).body for one in asking] == [b"00", b"11", b"22"]


def test_a_request_without_an_answer_has_its_limit(made):
    with made() as (channel, _), pytest.raises(OverlayTimeout, match="r1 did not answer within"):
        channel.request(Kind.HELLO, [], b"", 0.05)


def test_requests_end_with_the_channel(made):
    with made() as (channel, router):
        asking = gevent.spawn(pytest.raises, OverlayError, channel.request, Kind.HELLO, [], b"", WAIT_S)
        router.next()
        router.sock.close()
        assert "went away" in str(asking.get(timeout=WAIT_S).value)
        with pytest.raises(OverlayError):
            channel.request(Kind.HELLO, [], b"", WAIT_S)


def test_what_was_posted_in_one_turn_leaves_together_and_in_order(made):
    with made() as (channel, router):
        for number in range(100):
            channel.post(Kind.DATA, pack([(Key.CONN, u32(number))]), b"x")
        gevent.sleep(0.01)
        data = router.sock.recv(1 << 20)
        frames = FrameReader().feed(data)
        assert [frame.number(Key.CONN) for frame in frames] == list(range(100))
        assert [frame.sequence for frame in frames] == list(range(1, 101))


def test_messages_go_to_whom_they_are_for_and_others_nowhere(made):
    with made() as (channel, router):
        tenants = {number: Tenant() for number in (1, 2)}
        for number, tenant in tenants.items():
            channel.add(number, tenant)
        for number in (2, 1, 3, 2):
            router.send(Kind.DATA, [(Key.CONN, u32(number))], b"%d" % number)
        router.send(4711, [(Key.CONN, u32(9))])
        router.send(Kind.LATENCY, [(200, b"again")], sequence=55)
        answer = router.next()
        assert (answer.kind, answer.reply_to, answer.headers[200]) == (Kind.LATENCY_ANSWER, 55, b"again")
        assert [len(tenant.frames) for tenant in tenants.values()] == [1, 2]


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", os.urandom(64), b""])
def test_whatever_is_no_channel_ends_it_and_tells_all(made, data):
    with made() as (channel, router):
        tenants = [Tenant(), Tenant()]
        for number, tenant in enumerate(tenants):
            channel.add(number, tenant)
        router.sock.sendall(data)
        router.sock.shutdown(socket.SHUT_WR)
        for tenant in tenants:
            assert "router r1 went away" in tenant.lost.get(timeout=WAIT_S)
        assert not channel.alive
        channel.post(Kind.DATA, b"")  # goes nowhere, and harms nobody


def test_a_silent_router_is_asked_and_given_up(made):
    with made(ping_every=0.1, ping_timeout=0.1) as (channel, router):
        tenant = Tenant()
        channel.add(1, tenant)
        assert router.next().kind == Kind.LATENCY
        assert "keeps silent" in tenant.lost.get(timeout=WAIT_S)


def test_a_router_that_answers_pings_stays_and_its_latency_is_known(made):
    with made(ping_every=0.1, ping_timeout=0.5) as (channel, router):
        for _ in range(3):
            router.answer(router.next(), Kind.LATENCY_ANSWER)
        with gevent.Timeout(WAIT_S):
            while not channel.latency_s:
                gevent.sleep(0.01)
        assert channel.alive
        assert channel.latency_s < 0.5


def test_an_answer_that_comes_too_late_closes_its_circuit(made):
    with made() as (channel, router):
        with pytest.raises(OverlayTimeout):
            channel.request(Kind.CONNECT, [], b"", 0.05)
        router.answer(router.next(), Kind.CONNECTED, [(Key.CIRCUIT, b"late")])
        closing = router.next()
        assert (closing.kind, closing.body) == (Kind.CIRCUIT_CLOSE, b"late")


def test_a_writer_that_cannot_keep_up_is_waited_for(made):
    with made() as (channel, router):
        for _ in range(64):
            channel.post(Kind.DATA, b"", b"x" * 32768)
        assert not channel.has_room
        assert not channel.wait_room(0.0)
        while not channel.has_room:
            router.next()
        assert channel.wait_room(WAIT_S)


def test_a_retired_channel_closes_with_its_last_tenant(made):
    with made() as (channel, _):
        channel.add(1, Tenant())
        channel.retire()
        assert channel.alive
        channel.remove(1)
        assert not channel.alive


def test_a_dial_of_what_is_bound_no_more_is_refused_at_once(made):
    with made() as (_, router):
        router.send(Kind.DIAL, [(Key.CONN, u32(9))], b"token", sequence=70)
        answer = router.next()
        assert (answer.kind, answer.number(Key.CONN), answer.reply_to) == (Kind.DIAL_FAILED, 9, 70)


class End(Tenant):
    """One end of a circuit."""

    def __init__(self, hosting):
        super().__init__()
        self.hosting = hosting
        self.came = gevent.queue.Queue()

    def on_payload(self, frame):
        self.came.put(("payload", frame.body))

    def on_ack(self, frame):
        self.came.put(("ack", frame.body))


def test_both_ends_of_one_circuit_on_one_channel_each_get_their_own(made):
    with made() as (channel, router):
        dialled, accepted = End(hosting=False), End(hosting=True)
        for number, end in ((1, dialled), (2, accepted)):
            channel.add(number, end)
            channel.add_circuit(b"self", end)
        by_host, everybody = (Key.XFLAGS, u32(Flags.TERMINATOR)), [(Key.XCIRCUIT, b"self"), (Key.CONN, u32(2))]
        router.send(Kind.PAYLOAD, [*everybody, by_host], b"from the host")
        router.send(Kind.PAYLOAD, everybody, b"from the dialler")
        router.send(Kind.ACK, [*everybody, by_host], b"a")
        router.send(Kind.ACK, everybody, b"b")
        assert [dialled.came.get(timeout=WAIT_S) for _ in range(2)] == [("payload", b"from the host"), ("ack", b"a")]
        assert [accepted.came.get(timeout=WAIT_S) for _ in range(2)] == [
            ("payload", b"from the dialler"),
            ("ack", b"b"),
        ]
        channel.remove(1, b"self")
        router.send(Kind.PAYLOAD, everybody, b"the one left")
        assert accepted.came.get(timeout=WAIT_S) == ("payload", b"the one left")
        router.send(Kind.CIRCUIT_CLOSE, [], b"self")
        router.send(Kind.PAYLOAD, everybody, b"last")
        assert accepted.came.get(timeout=WAIT_S)
        assert [frame.kind for frame in accepted.frames] == [Kind.CIRCUIT_CLOSE]
        assert not dialled.frames
        assert dialled.came.empty()
