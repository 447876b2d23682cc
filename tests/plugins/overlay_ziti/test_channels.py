import time

import gevent
import pytest
from zrokd_plugins.overlay_ziti import channels as channels_module
from zrokd_plugins.overlay_ziti.channels import Channels
from zrokd_plugins.overlay_ziti.edge import Router
from zrokd_plugins.overlay_ziti.settings import EdgeSettings

from tests.plugins.overlay_ziti.fakes import WAIT_S, FakeDialler, FakeRouter, eventually
from zrokd.errors import OverlayError, OverlayTimeout


class Tenant:
    def on_frame(self, frame):
        raise AssertionError

    def on_lost(self, reason):
        self.lost = reason


class Rig:
    def __init__(self, ctx, settings, names):
        self.routers = {router.url: router for router in (FakeRouter(name) for name in names)}
        self.session = [Router(router.name, router.url) for router in self.routers.values()]
        self.dialler = FakeDialler(ctx, settings, self.routers)
        self.channels = Channels(self.dialler, settings, ctx.log, ctx.spawn)

    def pick(self, timeout_s=WAIT_S):
        channel = self.channels.pick(self.session, timeout_s)
        channel.add(channel.next_id(), Tenant())
        return channel


@pytest.fixture
def made(zrokd_bench):
    zrokd_bench.ctx.offload(int)
    rigs = []

    def make(*names, **settings):
        rigs.append(Rig(zrokd_bench.ctx, EdgeSettings(**settings), names))
        return rigs[-1]

    yield make
    for rig in rigs:
        for router in rig.routers.values():
            router.close()


def test_streams_share_a_channel_until_it_is_busy(made):
    rig = made("a", streams_per_channel=4, channels_per_router=3)
    first = [rig.pick() for _ in range(4)]
    assert len(set(first)) == 1
    eventually(lambda: rig.pick() not in first)
    for _ in range(50):
        rig.pick()
        gevent.sleep(0)
    loads = sorted(len(channel.connections) for channel in rig.channels.to("tls://a:3022")._channels)
    assert len(loads) == 3
    assert loads[-1] - loads[0] <= 4


def test_a_crowd_that_comes_at_once_is_spread(made):
    rig = made("a", streams_per_channel=10, channels_per_router=4)
    picking = [gevent.spawn(rig.pick) for _ in range(60)]
    gevent.joinall(picking, timeout=WAIT_S, raise_error=True)
    loads = [len(channel.connections) for channel in rig.channels.to("tls://a:3022")._channels]
    assert len(loads) >= 3
    assert max(loads) <= 21


def test_those_who_wait_for_an_answer_count_as_load(made):
    rig = made("a")
    channel = rig.channels.pick(rig.session, WAIT_S)
    rig.routers["tls://a:3022"].is_mute.add(0)
    asking = gevent.spawn(pytest.raises, OverlayTimeout, channel.request, 0, [], b"", 0.1)
    gevent.sleep(0)
    assert channel.load == 1
    asking.get(timeout=WAIT_S)
    assert channel.load == 0


def test_the_nearest_router_is_taken_and_another_when_it_dies(made):
    rig = made("far", "near")
    rig.dialler.latency_s = {"tls://far:3022": 0.2, "tls://near:3022": 0.002}
    rig.pick()
    eventually(lambda: len(rig.dialler.asked) == 2)
    gevent.sleep(0.01)
    channel = rig.pick()
    assert channel.router == "tls://near:3022"
    rig.dialler.down.add("tls://near:3022")
    rig.routers["tls://near:3022"].close()
    eventually(lambda: not channel.alive)
    assert rig.pick(0.5).router == "tls://far:3022"


def test_a_router_that_is_down_does_not_hold_up_the_other(made):
    rig = made("down", "up")
    rig.dialler.down.add("tls://down:3022")
    assert rig.pick(1.0).router == "tls://up:3022"


def test_a_dead_router_is_left_alone_for_longer_and_longer(made, monkeypatch):
    monkeypatch.setattr(channels_module, "_PAUSE_S", (0.02, 0.2))
    rig = made("a")
    rig.dialler.down.add("tls://a:3022")
    with pytest.raises(OverlayTimeout, match="cannot be reached"):
        rig.pick(0.5)
    assert 3 <= len(rig.dialler.asked) <= 8
    rig.dialler.down.clear()
    assert rig.pick().alive


def test_a_router_whose_channel_was_lost_is_not_waited_for_as_long_as_a_new_one(made, monkeypatch):
    monkeypatch.setattr(channels_module, "_PATIENCE_S", 0.1)
    rig = made("a")
    assert not rig.channels.disturbed_at
    rig.pick().close("router a keeps silent")
    rig.dialler.hold.clear()  # whoever connects now hangs
    began = time.monotonic()
    with pytest.raises(OverlayTimeout):
        rig.pick(5.0)
    assert time.monotonic() - began < 1.0
    assert rig.channels.disturbed_at
    rig.dialler.hold.set()
    assert rig.pick().alive


def test_without_any_router_it_is_told(made):
    rig = made()
    with pytest.raises(OverlayError, match="no router for this service"):
        rig.channels.pick([], 1.0)


def test_waiting_for_a_channel_has_its_limit(made):
    rig = made("a")
    rig.dialler.hold.clear()
    with pytest.raises(OverlayTimeout):
        rig.pick(0.05)
    rig.dialler.hold.set()
    assert rig.pick().alive


def test_who_retires_keeps_what_is_used(made):
    rig = made("a")
    used = rig.pick()
    rig.channels.retire()
    assert used.alive
    assert not rig.channels.closed
    used.remove(1)
    assert rig.channels.closed
    rig.channels.wait_closed()


def test_a_channel_that_opens_too_late_is_closed(made):
    rig = made("a")
    rig.dialler.hold.clear()
    rig.channels.to("tls://a:3022").open()
    rig.channels.retire()
    assert not rig.channels.closed
    gevent.sleep(0)
    rig.dialler.hold.set()
    eventually(lambda: rig.channels.closed)
