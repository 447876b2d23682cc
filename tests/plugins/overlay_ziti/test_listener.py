from collections import defaultdict

import gevent
import pytest
from zrokd_plugins.overlay_ziti import listener as listener_module
from zrokd_plugins.overlay_ziti.channels import Channels
from zrokd_plugins.overlay_ziti.crypto import KeyPair
from zrokd_plugins.overlay_ziti.flow import FlowLimits
from zrokd_plugins.overlay_ziti.frames import Key, Kind, u32
from zrokd_plugins.overlay_ziti.listener import ZitiListener
from zrokd_plugins.overlay_ziti.pace import Pace
from zrokd_plugins.overlay_ziti.settings import EdgeSettings

from tests.plugins.overlay_ziti.fakes import WAIT_S, FakeApi, FakeDialler, FakeRouter, eventually
from zrokd.errors import OverlayError, StreamClosed, StreamError, UnknownService


class Rig:
    """Fake routers, and listeners of a service `svc` on them."""

    def __init__(self, ctx, names, **settings):
        self.ctx, self.settings = ctx, EdgeSettings(**settings)
        self.routers = [FakeRouter(name) for name in names]
        self.api = FakeApi(self.routers)
        self.api.make("svc", encrypted=False)
        by_url = {router.url: router for router in self.routers}
        self.dialler = FakeDialler(ctx, self.settings, by_url)
        self.channels = Channels(self.dialler, self.settings, ctx.log, ctx.spawn)
        self.listeners, self.discarded = [], []

    @property
    def router(self):
        return self.routers[0]

    def bind(self, service="svc", terminator=None):
        made = ZitiListener(
            service,
            terminator,
            api=self.api,
            channels=self.channels,
            settings=self.settings,
            limits=FlowLimits(),
            paces=defaultdict(Pace),
            log=self.ctx.log,
            spawn=self.ctx.spawn,
            on_close=self.discarded.append,
        )
        self.listeners.append(made)
        made.open()
        return made

    def dial(self, fields=(), router=None):
        """Dial the first bind; what the host answers."""
        router = router or self.router
        known = len(router.seen)
        (link, conn), *_ = router.binds
        router.dial(link, conn, fields)

        def answered():
            return [frame for frame in router.seen[known:] if frame.kind in (Kind.DIAL_OK, Kind.DIAL_FAILED)]

        return eventually(answered)[0]

    def end(self):
        for made in self.listeners:
            made.close()
        for router in self.routers:
            router.close()


@pytest.fixture
def made(zrokd_bench, monkeypatch):
    zrokd_bench.ctx.offload(int)
    monkeypatch.setattr(listener_module, "_PAUSE_S", (0.02, 0.1))
    monkeypatch.setattr(listener_module, "_GONE_S", 0.3)
    rigs = []

    def make(*names, **settings):
        rigs.append(Rig(zrokd_bench.ctx, names or ("a",), **settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.end()


# -- binding ---


def test_a_bind_says_what_is_bound_and_how(made):
    rig = made(cost=7, precedence="required")
    rig.api.make("svc", encrypted=True)
    rig.bind()
    (bind,) = rig.router.kinds(Kind.BIND)
    assert bind.body == b"Bind-1"
    assert (bind.number(Key.COST), bind.number(Key.PRECEDENCE)) == (7, 1)
    assert bind.flag(Key.FLOW)
    assert bind.flag(Key.ROUTER_IDS)
    assert len(bind.headers[Key.PUBLIC_KEY]) == 32
    assert Key.IDENTITY not in bind.headers


def test_a_plain_service_asks_for_no_encryption_and_no_price(made):
    rig = made()
    rig.bind()
    (bind,) = rig.router.kinds(Kind.BIND)
    assert not {Key.PUBLIC_KEY, Key.COST, Key.PRECEDENCE} & set(bind.headers)


def test_it_binds_at_every_router(made):
    rig = made("a", "b", "c")
    rig.bind()
    eventually(lambda: all(router.binds for router in rig.routers))


def test_a_named_one_also_serves_those_who_name_nobody(made):
    rig = made()
    rig.bind(terminator="left")
    names = [bind.headers.get(Key.IDENTITY, b"") for bind in rig.router.kinds(Kind.BIND)]
    assert sorted(names) == [b"", b"left"]
    assert len({bind.headers[Key.LISTENER] for bind in rig.router.kinds(Kind.BIND)}) == 2


def test_one_router_that_is_down_does_not_hold_up_the_others(made):
    rig = made("a", "b")
    rig.dialler.down.add(rig.routers[0].url)
    rig.bind()
    assert rig.routers[1].binds
    rig.dialler.down.clear()
    eventually(lambda: rig.routers[0].binds)


def test_what_no_router_binds_is_told(made, monkeypatch):
    monkeypatch.setattr(listener_module, "_FIRST_S", 0.2)
    rig = made()
    rig.router.refuse_binds = [b"no controller available"] * 100
    with pytest.raises(OverlayError, match="no controller available"):
        rig.bind()


def test_an_unknown_service_cannot_be_bound(made):
    with pytest.raises(UnknownService):
        made().bind("nosuch")


def test_a_refused_bind_is_tried_with_a_fresh_session(made):
    rig = made()
    rig.router.refuse_binds = [b"invalid session"]
    rig.bind()
    assert [bind.body for bind in rig.router.kinds(Kind.BIND)] == [b"Bind-1", b"Bind-2"]


# -- staying bound ---


def test_a_lost_channel_is_followed_by_another_bind(made):
    rig = made()
    rig.bind()
    rig.router.close()
    eventually(lambda: rig.router.binds)
    assert [bind.body for bind in rig.router.kinds(Kind.BIND)] == [b"Bind-1"] * 2
    assert not rig.api.forgotten, "a controller that is away is not needed for it"


def test_a_bind_that_the_network_ended_is_made_again_with_a_fresh_session(made):
    rig = made()
    rig.bind()
    rig.router.end_binds(b"session removed")
    eventually(lambda: rig.router.binds)
    assert [bind.body for bind in rig.router.kinds(Kind.BIND)] == [b"Bind-1", b"Bind-2"]


def test_of_a_named_one_both_binds_are_made_again(made):
    rig = made()
    rig.bind(terminator="left")
    link, conn = next(iter(rig.router.binds))
    link.send(Kind.CLOSED, [(Key.CONN, u32(conn))], b"gone")
    eventually(lambda: len(rig.router.kinds(Kind.BIND)) == 4)
    eventually(lambda: {bind.headers.get(Key.IDENTITY, b"") for bind in rig.router.binds.values()} == {b"", b"left"})


def test_the_same_listener_keeps_its_id_at_a_router(made):
    rig = made()
    rig.bind()
    rig.router.close()
    eventually(lambda: rig.router.binds)
    assert len({bind.headers[Key.LISTENER] for bind in rig.router.kinds(Kind.BIND)}) == 1


def test_a_controller_that_is_away_is_waited_for(made):
    rig = made()
    rig.bind()
    rig.api.trouble = OverlayError("no controller answers")
    rig.router.end_binds(b"gone")
    gevent.sleep(0.6)  # longer than a service may be missing
    rig.api.trouble = None
    eventually(lambda: rig.router.binds)


def test_a_service_made_again_soon_is_bound_again(made):
    rig = made()
    rig.bind()
    gone = rig.api.services.pop("svc")
    rig.router.end_binds(b"service removed")
    gevent.sleep(0.1)
    rig.api.services["svc"] = gone
    eventually(lambda: rig.router.binds)


def test_a_service_that_stays_gone_is_told_to_all_who_accept(made):
    rig = made()
    listener = rig.bind()
    waiting = [gevent.spawn(pytest.raises, OverlayError, listener.accept) for _ in range(3)]
    gevent.sleep(0)
    rig.api.services.clear()
    rig.router.end_binds(b"service removed")
    for one in waiting:
        one.get(timeout=WAIT_S)
    with pytest.raises(OverlayError, match="no service"):
        listener.accept()


def test_routers_that_come_later_are_bound_and_those_that_went_are_left(made):
    rig = made("a", "b")
    late = rig.api.routers_.pop()
    listener = rig.bind()
    assert not listener.look()
    rig.api.routers_.append(late)
    assert listener.look()
    eventually(lambda: late.binds)
    rig.api.routers_.remove(late)
    rig.dialler.down.add(late.url)
    late.close()
    eventually(listener.look)
    assert late.url not in listener._keepers
    assert rig.router.binds


# -- answering dials ---


def test_a_dial_is_answered_before_anybody_accepts(made):
    rig = made()
    listener = rig.bind()
    answer = rig.dial([(Key.CALLER, b"ann")])
    assert answer.kind == Kind.DIAL_OK
    assert answer.flag(Key.ROUTER_IDS)
    stream, caller = listener.accept()
    assert caller.identity == "ann"
    assert int.from_bytes(answer.body, "little") == stream.id
    assert stream.fileno() == -1
    stream.close()


def test_nothing_is_sent_before_the_first_payload_has_come(made):
    rig = made()
    listener = rig.bind()
    rig.dial()
    stream, _ = listener.accept()
    sending = gevent.spawn(stream.send, b"220 ready", WAIT_S)
    gevent.sleep(0.05)
    assert not rig.router.kinds(Kind.PAYLOAD)
    assert not sending.ready()
    stream.abort()
    gevent.spawn(pytest.raises, StreamError, sending.get).join(WAIT_S)


def test_who_comes_when_too_many_wait_is_refused(made, monkeypatch):
    monkeypatch.setattr(listener_module, "_WAITING_MOST", 2)
    rig = made()
    listener = rig.bind()
    assert [rig.dial().kind for _ in range(3)] == [Kind.DIAL_OK, Kind.DIAL_OK, Kind.DIAL_FAILED]
    listener.accept()[0].close()
    assert rig.dial().kind == Kind.DIAL_OK


@pytest.mark.parametrize("key", [None, b"", b"short", bytes(32)])
def test_an_encrypted_service_refuses_who_brings_no_key(made, key):
    rig = made()
    rig.api.make("svc", encrypted=True)
    rig.bind()
    answer = rig.dial([] if key is None else [(Key.PUBLIC_KEY, key)])
    assert answer.kind == Kind.DIAL_FAILED
    assert b"key" in answer.body
    assert rig.dial([(Key.PUBLIC_KEY, KeyPair().public)]).kind == Kind.DIAL_OK


# -- ending ---


def test_unbinding_names_the_session_that_bound(made):
    rig = made()
    listener = rig.bind()
    rig.api.authenticate()
    listener.close()
    assert not rig.router.binds
    (unbind,) = rig.router.kinds(Kind.UNBIND)
    assert unbind.body == b"Bind-1"
    assert rig.discarded == [listener]


def test_a_named_one_unbinds_both(made):
    rig = made("a", "b")
    listener = rig.bind(terminator="left")
    eventually(lambda: all(len(router.binds) == 2 for router in rig.routers))
    listener.close()
    assert not any(router.binds for router in rig.routers)


def test_unbinding_at_a_router_that_says_nothing_has_its_limit(made, monkeypatch):
    monkeypatch.setattr(listener_module, "_UNBIND_S", 0.1)
    rig = made()
    listener = rig.bind()
    rig.router.is_mute.add(Kind.LATENCY)
    with gevent.Timeout(1.0):
        listener.close()


def test_a_close_while_it_binds_leaves_no_bind(made, monkeypatch):
    monkeypatch.setattr(listener_module, "_FIRST_S", 0.05)
    rig = made()
    rig.router.is_mute.add(Kind.BIND)
    with pytest.raises(OverlayError):
        rig.bind()
    rig.listeners[0].close()
    eventually(lambda: rig.router.kinds(Kind.UNBIND))


def test_closing_wakes_all_who_accept(made):
    listener = made().bind()
    waiting = [gevent.spawn(pytest.raises, StreamClosed, listener.accept) for _ in range(3)]
    gevent.sleep(0)
    listener.close()
    listener.close()
    for one in waiting:
        one.get(timeout=WAIT_S)


def test_closing_breaks_off_who_was_not_accepted_and_keeps_the_rest(made):
    rig = made()
    listener = rig.bind()
    rig.dial()
    accepted, _ = listener.accept()
    rig.dial()
    listener.close()
    with pytest.raises(StreamClosed):
        listener.accept()
    (channel,) = rig.channels.to(rig.router.url)._channels
    eventually(lambda: accepted.id in channel.connections)
    assert accepted.is_idle()
    accepted.close()


def test_its_health_says_whether_a_router_serves_it(made):
    rig = made()
    listener = rig.bind()
    assert listener.health().ok
    rig.router.refuse_binds = [b"not today"] * 1000
    rig.router.close()
    eventually(lambda: not listener.health().ok)
    eventually(lambda: "not today" in listener.health().detail)
    rig.router.refuse_binds.clear()
    eventually(lambda: listener.health().ok)
