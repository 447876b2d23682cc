"""Two ends of one circuit, over two channels joined back to back: routers only carry what the ends say."""

import hashlib
import os
import random
from contextlib import closing

import gevent
import pytest
from zrokd_plugins.overlay_ziti.flow import Flags, FlowLimits
from zrokd_plugins.overlay_ziti.frames import Kind
from zrokd_plugins.overlay_ziti.stream import ZitiStream

from tests.plugins.overlay_ziti.wire import LIMITS
from zrokd.errors import StreamClosed, StreamError, StreamTimeout

WAIT_S = 10.0
MOST_BYTES = LIMITS.window_most + LIMITS.receive_cap + 64 * 1024


@pytest.fixture(params=[(True, True), (False, True), (True, False), (False, False)])
def both(wire, request):
    encrypted, flow = request.param
    near, far = wire.streams(encrypted=encrypted, flow=flow)
    with closing(near), closing(far):
        yield near, far


def read_all(stream):
    return b"".join(iter(lambda: stream.recv(65536, WAIT_S), b""))


def carry(source, target, data):
    sending = gevent.spawn(lambda: (source.send(data, WAIT_S), source.send_eof()))
    found = read_all(target)
    sending.get(timeout=WAIT_S)
    assert hashlib.sha256(found).digest() == hashlib.sha256(data).digest()


def test_bytes_go_both_ways(both):
    near, far = both
    near.send(b"question", WAIT_S)
    assert far.recv(100, WAIT_S) == b"question"
    far.send(b"answer", WAIT_S)
    buffer = bytearray(3)
    assert near.recv_into(memoryview(buffer), WAIT_S) == 3
    assert near.recv(100, WAIT_S) == b"wer"
    assert bytes(buffer) == b"ans"


def test_the_host_may_speak_first(both):
    near, far = both
    far.send(b"220 ready", WAIT_S)
    assert near.recv(100, WAIT_S) == b"220 ready"


def test_megabytes_arrive_whole_both_ways_and_a_direction_ends_alone(both):
    near, far = both
    carry(near, far, os.urandom(3_000_000))
    carry(far, near, os.urandom(3_000_000))


def test_a_close_delivers_what_was_sent_and_then_the_end(both):
    near, far = both
    data = os.urandom(300_000)
    near.send(data, WAIT_S)
    near.close()
    assert read_all(far) == data


def test_an_abort_is_no_end(wire):
    near, far = wire.streams()
    near.send(b"part", WAIT_S)
    assert far.wait_readable(WAIT_S)
    near.abort()
    with closing(far), pytest.raises(StreamError):
        read_all(far)


def test_both_closed_nothing_is_left_on_the_channels(wire):
    for number in range(1, 20):
        near, far = wire.streams(number)
        near.send(b"x", WAIT_S)
        assert far.recv(1, WAIT_S) == b"x"
        near.close()
        assert far.recv(1, WAIT_S) == b""
        far.close()
    with gevent.Timeout(WAIT_S):
        while any(channel.connections for channel in wire.channels):
            gevent.sleep(0.01)


def test_a_reader_that_stops_stops_its_writer_in_time(wire):
    near, far = wire.streams()
    sent = 0
    with closing(near), closing(far):
        with pytest.raises(StreamTimeout):
            while sent < 4 * MOST_BYTES:
                near.send(b"x" * 16384, 0.3)
                sent += 16384
        assert sent <= MOST_BYTES
        waiting = gevent.spawn(near.send, b"last", WAIT_S)
        found = b""
        while not found.endswith(b"last"):
            found += far.recv(1 << 20, WAIT_S)
        waiting.get(timeout=WAIT_S)
        assert len(found) == sent + 4


@pytest.mark.parametrize("loss", [0.02, 0.2])
@pytest.mark.slow
def test_what_routers_drop_is_sent_again(wire, loss):
    chance = random.Random(7)
    wire.drop = lambda frame: frame.kind in (Kind.PAYLOAD, Kind.ACK) and chance.random() < loss
    near, far = wire.streams()
    with closing(near), closing(far):
        carry(near, far, os.urandom(400_000))


def test_a_peer_that_cannot_be_reached_breaks_the_stream(wire):
    near, far = wire.streams(limits=FlowLimits(lost_s=0.3, again_least_s=0.05))
    with closing(near), closing(far):
        near.send(b"x", WAIT_S)
        far.recv(1, WAIT_S)
        wire.drop = lambda frame: frame.kind in (Kind.PAYLOAD, Kind.ACK)
        near.send(b"y", WAIT_S)
        with pytest.raises(StreamError, match="cannot be reached"):
            near.recv(1, WAIT_S)


@pytest.mark.parametrize("wait", ["recv", "send", "both"])
def test_the_loss_of_a_channel_wakes_all_its_streams(wire, wait):
    near, far = wire.streams()
    with closing(near), closing(far):
        waiting = []
        if wait != "send":
            waiting.append(gevent.spawn(pytest.raises, StreamError, near.recv, 1))
        if wait != "recv":
            waiting.append(gevent.spawn(pytest.raises, StreamError, near.send, b"x" * (4 * MOST_BYTES)))
        gevent.sleep(0.05)
        wire.channels[0].close("router r went away")
        for one in waiting:
            assert "went away" in str(one.get(timeout=WAIT_S).value)


def test_a_stream_on_a_channel_that_is_gone_is_broken_from_the_start(wire):
    for channel in wire.channels:
        channel.close("router r went away")
    for end in wire.streams():
        with closing(end), pytest.raises(StreamError, match="went away"):
            end.recv(1, WAIT_S)


def test_a_stall_breaks_a_stream_whose_peer_cannot_wait(wire, monkeypatch):
    monkeypatch.setattr(ZitiStream, "_waits", Flags.NONE)
    near, far = wire.streams(limits=FlowLimits(receive_cap=100_000, stall_s=0.3))
    with closing(near), closing(far):
        sending = gevent.spawn(pytest.raises, StreamError, far.send, b"x" * 1_000_000)
        with pytest.raises(StreamError, match="not read in time"):
            gevent.sleep(1.0)
            read_all(near)
        sending.get(timeout=WAIT_S)


def test_without_flow_control_what_nobody_reads_is_bounded(wire):
    near, far = wire.streams(flow=False, limits=FlowLimits(hard_cap=500_000))
    with closing(near), closing(far):
        sending = gevent.spawn(near.send, b"x" * 2_000_000, WAIT_S)
        with pytest.raises(StreamError, match="more came than anybody reads"):
            gevent.sleep(0.3)
            read_all(far)
        sending.kill()


def test_waits_have_limits_and_closing_wakes(wire):
    near, far = wire.streams()
    with closing(far):
        with pytest.raises(StreamTimeout):
            near.recv(1, 0.02)
        assert not near.wait_readable(0.02)
        assert near.is_idle()
        waiting = gevent.spawn(pytest.raises, StreamClosed, near.recv, 1)
        gevent.sleep(0.01)
        near.close()
        waiting.get(timeout=WAIT_S)
        for use in (lambda: near.recv(1), lambda: near.send(b"x")):
            with pytest.raises(StreamClosed):
                use()


def test_what_carries_no_bytes_makes_nothing_readable(wire):
    near, far = wire.streams()
    with closing(near), closing(far):
        waiting = gevent.spawn(far.wait_readable, WAIT_S)
        gevent.sleep(0.1)
        assert not waiting.ready(), "the dialler only said who it is"
        near.send(b"x", WAIT_S)
        assert waiting.get(timeout=WAIT_S) is True


def test_what_was_not_sealed_by_the_peer_breaks_the_stream(wire):
    near, far = wire.streams()
    with closing(near), closing(far):
        near.send(b"good", WAIT_S)
        assert far.recv(10, WAIT_S) == b"good"
        far._opener._key = b""
        near._sealer = type(near._sealer)(os.urandom(32))
        near.send(b"forged", WAIT_S)
        with pytest.raises(StreamError, match="not sealed by the peer"):
            far.recv(10, WAIT_S)


def test_a_thousand_streams_keep_their_bytes_apart(wire):
    pairs = [wire.streams(number) for number in range(1, 1001)]
    for number, (near, _) in enumerate(pairs):
        near.send(b"%d" % number, WAIT_S)
    for number, (near, far) in enumerate(pairs):
        assert far.recv(10, WAIT_S) == b"%d" % number
        near.close()
        far.close()
