"""What we bind is dialled by ourselves, and what comes of it is what the health says."""

from collections import defaultdict

import gevent
import pytest
from zrokd_plugins.overlay_ziti import prober as module
from zrokd_plugins.overlay_ziti.channels import Channels
from zrokd_plugins.overlay_ziti.flow import FlowLimits
from zrokd_plugins.overlay_ziti.frames import Key, Kind, Refusal
from zrokd_plugins.overlay_ziti.listener import PROBE, ZitiListener
from zrokd_plugins.overlay_ziti.pace import Pace
from zrokd_plugins.overlay_ziti.prober import Prober
from zrokd_plugins.overlay_ziti.settings import EdgeSettings

from tests.plugins.overlay_ziti.fakes import FakeApi, FakeDialler, FakeRouter, eventually


class Rig:
    """Listeners on a fake router, and who probes them."""

    def __init__(self, ctx, permissions, count, *, runs=True, **edge):
        self.ctx, self.router = ctx, FakeRouter("a")
        self.api = FakeApi([self.router])
        self.settings = EdgeSettings(**{"probe_every": "100ms", "answer_timeout": "200ms", **edge})
        dialler = FakeDialler(ctx, self.settings, {self.router.url: self.router})
        self.channels = Channels(dialler, self.settings, ctx.log, ctx.spawn)
        self.paces = defaultdict(Pace)
        self.listeners = [self.bind(f"svc{number or ''}", permissions) for number in range(count)]
        self.listener = self.listeners[0]
        self.prober = Prober(self.listeners, self.api, self.settings, ctx.log, ctx.spawn)
        self.running = ctx.spawn(self.prober.run, name="probes") if runs else None

    def bind(self, service, permissions):
        self.api.make(service, encrypted=False, permissions=permissions)
        made = ZitiListener(
            service,
            None,
            api=self.api,
            channels=self.channels,
            settings=self.settings,
            limits=FlowLimits(),
            paces=self.paces,
            log=self.ctx.log,
            spawn=self.ctx.spawn,
            on_close=lambda _: None,
        )
        made.open()
        return made

    @property
    def probes(self):
        return self.router.kinds(Kind.CONNECT)

    def end(self):
        if self.running is not None:
            self.running.kill()
        for listener in self.listeners:
            listener.close()
        self.router.close()


@pytest.fixture
def made(zrokd_bench, monkeypatch):
    zrokd_bench.ctx.offload(int)
    monkeypatch.setattr(module, "_ROUND_S", 0.02)
    monkeypatch.setattr(module, "_AGAIN_S", 0.05)
    rigs = []

    def make(permissions=("Dial", "Bind"), count=1, **edge):
        rigs.append(Rig(zrokd_bench.ctx, permissions, count, **edge))
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
    assert rig.listener.proof().ends == 1
    assert rig.listener.proof().age_s < 1
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


def test_nothing_is_proven_that_nobody_dialled(made):
    rig = made(permissions=("Bind",))
    assert rig.listener.proof().age_s is None


def test_all_are_dialled_soon_and_none_twice_before_all_were(made):
    rig = made(count=60, probe_every="1s")
    eventually(lambda: len(rig.probes) >= 60)
    assert len({probe.body for probe in rig.probes[:60]}) == 60, "each by a session of its own service"


def test_one_round_dials_more_than_may_be_under_way_at_once(made):
    rig = made(count=60, runs=False, probes_per_second=3000)  # 60 a round
    rig.prober.begin_round()
    eventually(lambda: len(rig.router.kinds(Kind.CIRCUIT_CLOSE)) == 60)


def test_a_round_begins_no_more_than_its_part_of_a_second(made):
    rig = made(count=60, runs=False, probes_per_second=500)  # 10 a round
    rig.prober.begin_round()
    eventually(lambda: len(rig.router.kinds(Kind.CIRCUIT_CLOSE)) == 10)
    gevent.sleep(0.05)
    assert len(rig.probes) == 10
    assert {listener.pace(bind).under_way for listener in rig.listeners for bind in listener.binds()} == {0}


def test_what_went_while_it_waited_for_its_turn_is_not_dialled(made):
    rig = made(count=20, runs=False, probes_per_second=3000)
    rig.prober.begin_round()  # four go at once
    for listener in rig.listeners[10:]:
        for bind in listener.binds():
            bind.end("it was taken away")
    eventually(lambda: len(rig.router.kinds(Kind.CIRCUIT_CLOSE)) >= 10)
    gevent.sleep(0.05)
    assert len(rig.probes) == 10


def test_nothing_is_dialled_once_it_ended(made):
    rig = made(count=20, probe_every="20s", probes_per_second=3000)
    rig.router.is_mute.add(Kind.CONNECT)
    eventually(lambda: len(rig.probes) == 4)
    rig.running.kill()
    gevent.sleep(0.5)  # those four end without an answer
    assert len(rig.probes) == 4


def test_no_more_dials_a_second_than_allowed(made):
    rig = made(count=30, probe_every="1s", probes_per_second=50)  # one a round
    gevent.sleep(0.1)
    assert 0 < len(rig.probes) <= 8


def test_a_network_that_answers_nothing_is_asked_by_one_and_all_say_so(made):
    rig = made(count=20)
    eventually(lambda: len(rig.probes) >= 20)
    rig.router.is_mute.add(Kind.CONNECT)
    eventually(lambda: not any(listener.health().ok for listener in rig.listeners))
    asked = len(rig.probes)
    gevent.sleep(0.5)
    assert len(rig.probes) - asked <= 4, "one at a time, each of which waits 0.2 s"
    rig.router.is_mute.clear()
    eventually(lambda: all(listener.health().ok for listener in rig.listeners))
