"""What we bind is dialled by ourselves, and what comes of it is what the health says."""

import gevent
import pytest
from zrokd_plugins.overlay_ziti import prober as module
from zrokd_plugins.overlay_ziti.channels import Channels
from zrokd_plugins.overlay_ziti.flow import FlowLimits
from zrokd_plugins.overlay_ziti.frames import Key, Kind, Refusal
from zrokd_plugins.overlay_ziti.listener import PROBE, ZitiListener
from zrokd_plugins.overlay_ziti.prober import Prober
from zrokd_plugins.overlay_ziti.settings import EdgeSettings

from tests.plugins.overlay_ziti.fakes import FakeApi, FakeDialler, FakeRouter, eventually


class Rig:
    """A listener of `svc` on a fake router, and who probes it."""

    def __init__(self, ctx, permissions):
        self.router = FakeRouter("a")
        self.api = FakeApi([self.router])
        self.api.make("svc", encrypted=False, permissions=permissions)
        settings = EdgeSettings(probe_every="100ms", answer_timeout="200ms")
        self.channels = Channels(
            FakeDialler(ctx, settings, {self.router.url: self.router}), settings, ctx.log, ctx.spawn
        )
        self.listener = ZitiListener(
            "svc",
            None,
            api=self.api,
            channels=self.channels,
            settings=settings,
            limits=FlowLimits(),
            log=ctx.log,
            spawn=ctx.spawn,
            on_close=lambda _: None,
        )
        self.listener.open()
        self.prober = ctx.spawn(Prober([self.listener], self.api, settings, ctx.log, ctx.spawn).run, name="probes")

    @property
    def probes(self):
        return self.router.kinds(Kind.CONNECT)

    def end(self):
        self.prober.kill()
        self.listener.close()
        self.router.close()


@pytest.fixture
def made(zrokd_bench, monkeypatch):
    zrokd_bench.ctx.offload(int)
    monkeypatch.setattr(module, "_ROUND_S", 0.02)
    monkeypatch.setattr(module, "_AGAIN_S", 0.05)
    rigs = []

    def make(permissions=("Dial", "Bind")):
        rigs.append(Rig(zrokd_bench.ctx, permissions))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.end()


def test_a_bind_that_is_reached_is_well_and_nobody_has_to_accept_the_probe(made):
    rig = made()
    eventually(lambda: len(rig.probes) >= 3)
    assert rig.probes[0].headers[Key.APP_DATA].startswith(PROBE)
    eventually(lambda: len(rig.router.kinds(Kind.CIRCUIT_CLOSE)) >= 3)
    assert rig.listener.health().ok
    assert not rig.router.kinds(Kind.DIAL_FAILED)
    with gevent.Timeout(0.05, False):
        pytest.fail(f"a visitor came: {rig.listener.accept()}")


def test_visitors_make_probes_needless(made):
    rig = made()
    ((link, conn),) = rig.router.binds
    known = len(rig.probes)
    for _ in range(20):
        rig.router.dial(link, conn)
        rig.listener.accept()[0].close()
        gevent.sleep(0.01)
    assert len(rig.probes) <= known + 1


def test_an_answer_that_never_comes_is_told_until_one_comes(made):
    rig = made()
    rig.router.is_mute.add(Kind.CONNECT)
    eventually(lambda: not rig.listener.health().ok)
    assert "did not answer within 0.2 s" in rig.listener.health().detail
    rig.router.is_mute.clear()
    eventually(lambda: rig.listener.health().ok)
    assert len(rig.router.kinds(Kind.BIND)) == 1, "it was the way that was shut"


def test_what_the_network_forgot_is_bound_again(made):
    rig = made()
    rig.router.refusals = [(b"service 1 has no terminators", None)] * 2
    eventually(lambda: not rig.listener.health().ok)
    assert "no terminators" in rig.listener.health().detail
    eventually(lambda: len(rig.router.kinds(Kind.BIND)) == 2)
    eventually(lambda: rig.listener.health().ok)
    assert len(rig.router.kinds(Kind.UNBIND)) == 1


def test_an_old_session_is_fetched_anew(made):
    rig = made()
    rig.router.refusals = [(b"no", Refusal.INVALID_SESSION)]
    eventually(lambda: "svc" in rig.api.forgotten)
    eventually(lambda: rig.listener.health().ok)
    assert len(rig.router.kinds(Kind.BIND)) == 1


def test_what_is_not_ours_to_dial_is_taken_at_the_network_s_word(made):
    rig = made(permissions=("Bind",))
    gevent.sleep(0.3)
    assert not rig.probes
    assert rig.listener.health().ok
