"""What a dialler notices of its host: that it can wait, that it is silent, that it is gone."""

import time
from contextlib import closing

import gevent
import pytest
from zrokd_plugins.overlay_ziti import dialled as module
from zrokd_plugins.overlay_ziti.flow import Flags, FlowLimits
from zrokd_plugins.overlay_ziti.frames import Kind
from zrokd_plugins.overlay_ziti.pulse import ask, keep_asking
from zrokd_plugins.overlay_ziti.reach import Reach
from zrokd_plugins.overlay_ziti.settings import EdgeSettings
from zrokd_plugins.overlay_ziti.stream import ZitiStream

from tests.plugins.overlay_ziti.fakes import WAIT_S, eventually
from zrokd.errors import StreamError, StreamTimeout


@pytest.fixture
def quick(monkeypatch):
    """All patience is a tenth of what it is."""
    for name in ("SILENT_S", "_QUIET_S", "_GONE_S", "_ASKED_S", "_REST_S"):
        monkeypatch.setattr(module, name, getattr(module, name) / 10)
    monkeypatch.setattr(module.DialledStream, "_patience_s", 0.25)  # nothing is sent twice before 0.2 s


@pytest.fixture
def edge():
    return EdgeSettings(ping_every="60s")  # the channels live: only what is behind them is silent


def used(near, far):
    """Both have said something, and heard that it came."""
    near.send(b"question", WAIT_S)
    far.recv(100, WAIT_S)
    far.send(b"answer", WAIT_S)
    near.recv(100, WAIT_S)
    eventually(lambda: near._sender.settled and far._sender.settled)


def cut(wire):
    wire.drop = lambda frame: frame.kind in (Kind.PAYLOAD, Kind.ACK)


def test_who_waits_for_a_host_that_fell_silent_is_told(wire, quick):
    near, far = wire.streams()
    with closing(near), closing(far):
        used(near, far)
        waiting = gevent.spawn(pytest.raises, StreamError, near.recv, 1, WAIT_S)
        began = time.monotonic()
        cut(wire)
        eventually(lambda: near.is_quiet(time.monotonic()))
        ask([near])
        assert "cannot be reached" in str(waiting.get(timeout=WAIT_S).value)
        assert time.monotonic() - began < 2.0


@pytest.mark.slow
def test_a_host_that_lives_and_has_nothing_to_say_is_waited_for(wire, quick):
    near, far = wire.streams()
    asking = gevent.spawn(lambda: [(gevent.sleep(0.02), ask([near])) for _ in range(60)])
    with closing(near), closing(far):
        used(near, far)
        with pytest.raises(StreamTimeout):
            near.recv(1, 1.0)
        asking.get(timeout=WAIT_S)
        assert near._sender.heard_at > time.monotonic() - 0.5, "it was asked"
        assert not far._chunks, "being asked is nothing to read"
        far.send(b"late", WAIT_S)
        assert near.recv(10, WAIT_S) == b"late"


def test_being_asked_does_not_prolong_a_wait(wire, quick):
    near, far = wire.streams()
    with closing(near), closing(far):
        used(near, far)
        waiting = gevent.spawn(pytest.raises, StreamTimeout, far.recv, 1, 0.3)
        for _ in range(20):
            near.ask()
            gevent.sleep(0.05)
        assert waiting.ready()
        waiting.get()


def test_nobody_is_asked_for_whom_nobody_waits(wire, quick):
    near, far = wire.streams()
    with closing(near), closing(far):
        used(near, far)
        gevent.sleep(0.15)
        assert not near.is_quiet(time.monotonic())


def test_what_is_used_after_a_rest_is_given_up_soon_and_its_neighbours_are_not_used(wire, quick):
    reach = Reach()
    (near, far), (other, other_far) = (wire.streams(number, reach=reach) for number in (7, 8))
    with closing(near), closing(far), closing(other), closing(other_far):
        used(near, far)
        used(other, other_far)
        gevent.sleep(0.25)
        cut(wire)
        assert near.is_idle()
        near.send(b"again", WAIT_S)
        with pytest.raises(StreamError, match="cannot be reached"):
            near.recv(1, 2.0)
        assert reach.silent
        assert not other.is_idle()


def test_what_is_in_use_is_not_given_up_as_soon(wire, quick, monkeypatch):
    monkeypatch.setattr(module, "_GONE_S", 10.0)
    reach = Reach()
    near, far = wire.streams(reach=reach)
    with closing(near), closing(far):
        used(near, far)
        cut(wire)
        near.send(b"more", WAIT_S)
        eventually(lambda: reach.silent)
        wire.drop = lambda frame: False
        eventually(lambda: not reach.silent)
        assert far.recv(10, WAIT_S) == b"more"
        assert near.is_idle()


def test_the_pulse_asks_by_itself(wire, quick):
    class Channels:
        def live(self):
            return wire.channels

    near, far = wire.streams()
    pulse = wire.ctx.spawn(keep_asking, Channels(), name="pulse")
    with closing(near), closing(far):
        used(near, far)
        cut(wire)
        with pytest.raises(StreamError, match="cannot be reached"):
            near.recv(1, WAIT_S)
    pulse.kill()


def test_a_stream_to_a_host_that_cannot_wait_is_gone_as_soon_as_it_is_given_up(wire, monkeypatch):
    monkeypatch.setattr(ZitiStream, "_waits", Flags.NONE)
    seen = []
    wire.drop = lambda frame: seen.append(frame.kind)
    near, far = wire.streams(limits=FlowLimits(stall_s=10.0))
    with closing(far):
        used(near, far)
        near.abort()
        began = time.monotonic()
        eventually(lambda: Kind.CIRCUIT_CLOSE in seen)
        assert time.monotonic() - began < 1.0
