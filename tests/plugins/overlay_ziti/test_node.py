import time
from contextlib import closing
from unittest.mock import Mock

import gevent
import pytest
from zrokd_plugins.overlay_ziti import channels as channels_module
from zrokd_plugins.overlay_ziti import node as node_module
from zrokd_plugins.overlay_ziti.flow import Flags
from zrokd_plugins.overlay_ziti.frames import Key, Kind, Refusal
from zrokd_plugins.overlay_ziti.node import ZitiNode
from zrokd_plugins.overlay_ziti.settings import EdgeSettings
from zrokd_plugins.overlay_ziti.stream import ZitiStream

from tests.plugins.overlay_ziti.fakes import WAIT_S, FakeApi, FakeDialler, FakeRouter, eventually
from zrokd.errors import NoTerminator, OverlayError, OverlayTimeout, StreamClosed, StreamError, UnknownService


class Rig:
    """A node that dials and one that hosts, on fake routers, with a service `svc`."""

    def __init__(self, ctx, monkeypatch, names, **settings):
        self.settings = EdgeSettings(**settings)
        self.routers = [FakeRouter(name) for name in names]
        by_url = {router.url: router for router in self.routers}
        self.dialler = FakeDialler(ctx, self.settings, by_url)
        monkeypatch.setattr(node_module, "Dialler", lambda *_: self.dialler)
        self.apis = [FakeApi(self.routers), FakeApi(self.routers)]
        for api in self.apis:
            api.make("svc")
        self.visitor, self.host = (ZitiNode(None, api, self.settings, ctx) for api in self.apis)

    @property
    def router(self):
        return self.routers[0]

    def pair(self, **options):
        """A stream dialled to `svc`, and its end at the host."""
        with closing(self.host.bind("svc")) as listener:
            near = self.visitor.dial("svc", timeout_s=WAIT_S, **options)
            return near, listener.accept()[0]

    def end(self):
        self.visitor.close()
        self.host.close()
        for router in self.routers:
            router.close()


@pytest.fixture
def made(zrokd_bench, monkeypatch):
    zrokd_bench.ctx.offload(int)
    monkeypatch.setattr(node_module, "_LATE_S", 0.02)
    rigs = []

    def make(*names, **settings):
        rigs.append(Rig(zrokd_bench.ctx, monkeypatch, names or ("a",), **settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.end()


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("flow", [True, False])
def test_a_dial_is_a_stream_to_the_host(made, encrypted, flow):
    rig = made()
    rig.router.flow = flow
    for api in rig.apis:
        api.make("svc", encrypted=encrypted)
    if not flow:  # the fake carries circuits only
        with closing(rig.host.bind("svc")):
            rig.visitor.dial("svc").close()
        return
    near, far = rig.pair()
    with closing(near), closing(far):
        near.send(b"question", WAIT_S)
        assert far.recv(100, WAIT_S) == b"question"
        far.send(b"answer", WAIT_S)
        assert near.recv(100, WAIT_S) == b"answer"
        seen = b"".join(frame.body for frame in rig.router.seen)
        assert b"question" not in seen


def test_what_is_told_to_the_host(made):
    rig = made()
    near, far = rig.pair(terminator=None, caller="ann", app_data=b"hint")
    with closing(near), closing(far):
        (connect,) = rig.router.kinds(Kind.CONNECT)
        assert connect.body == b"Dial-1"
        assert connect.flag(Key.FLOW)
        assert len(connect.headers[Key.PUBLIC_KEY]) == 32
        assert (connect.headers[Key.CALLER], connect.headers[Key.APP_DATA]) == (b"ann", b"hint")
        assert Key.IDENTITY not in connect.headers
        assert far.app_data == b"hint"


def test_a_terminator_is_asked_for_by_name(made):
    rig = made()
    with closing(rig.host.bind("svc", terminator="left")) as listener:
        with closing(rig.visitor.dial("svc", terminator="left")):
            listener.accept()[0].close()
        with pytest.raises(NoTerminator):
            rig.visitor.dial("svc", terminator="right")


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (b"service 1 has no terminators", None, NoTerminator),
        (b"service 1 has no terminators for instanceId x", None, NoTerminator),
        (b"service 1 has no online terminators for instanceId ", None, NoTerminator),
        (b"exceeded maximum [2] retries creating circuit [c/1]", None, NoTerminator),
        (b"dial failed: the host is too busy to accept", None, NoTerminator),
        (b"service not found", None, UnknownService),
        (b"whatever", Refusal.INVALID_SERVICE, UnknownService),
        (b"can't find a path", None, OverlayError),
        (b"\xff\xfe", None, OverlayError),
        (b"", None, OverlayError),
    ],
)
def test_the_reason_of_a_refusal_is_told(made, words, code, error):
    rig = made()
    rig.router.refusals = [(words, code)]
    with pytest.raises(OverlayError) as caught:
        rig.visitor.dial("svc")
    assert type(caught.value) is error
    assert "'svc'" in str(caught.value)
    assert len(rig.router.kinds(Kind.CONNECT)) == 1


@pytest.mark.parametrize(
    "refusal", [(b"invalid session", None), (b"no", Refusal.INVALID_SESSION), (b"no", Refusal.INVALID_ROUTER)]
)
def test_a_refused_session_is_fetched_anew_once(made, refusal):
    rig = made()
    with closing(rig.host.bind("svc")) as listener:
        rig.router.refusals = [refusal]
        with closing(rig.visitor.dial("svc")):
            listener.accept()[0].close()
    assert [connect.body for connect in rig.router.kinds(Kind.CONNECT)] == [b"Dial-1", b"Dial-2"]
    rig.router.refusals = [refusal] * 5
    with pytest.raises(OverlayError):
        rig.visitor.dial("svc")
    assert len(rig.router.kinds(Kind.CONNECT)) == 4


def test_a_session_that_ended_while_we_connected_is_not_dialled_with(made):
    rig = made()
    with closing(rig.host.bind("svc")) as listener:
        connect = rig.dialler.connect

        def renew(url):  # as a hello does that the router did not answer
            rig.apis[0].authenticate()
            return connect(url)

        rig.dialler.connect = renew
        with closing(rig.visitor.dial("svc")):
            listener.accept()[0].close()
    assert [each.body for each in rig.router.kinds(Kind.CONNECT)] == [b"Dial-2"]


def test_an_unknown_service_is_not_even_dialled(made):
    rig = made()
    with pytest.raises(UnknownService):
        rig.visitor.dial("nosuch")
    with pytest.raises(UnknownService):
        rig.visitor.bind("nosuch")
    assert not rig.router.kinds(Kind.CONNECT)


def test_known_sessions_are_dialled_while_the_controller_is_away(made):
    rig = made()
    with closing(rig.host.bind("svc")) as listener:
        rig.visitor.dial("svc").close()
        known, rig.apis[0].service = rig.apis[0].services["svc"], lambda _: known
        rig.apis[0].trouble = OverlayError("away")
        rig.visitor.dial("svc").close()
        for _ in range(2):
            listener.accept()[0].close()


def test_a_dial_has_its_limit_and_a_late_stream_is_closed(made):
    rig = made()
    with closing(rig.host.bind("svc")):
        rig.router.is_mute.add(Kind.DIAL_OK)
        began = time.monotonic()
        with pytest.raises(OverlayTimeout):
            rig.visitor.dial("svc", timeout_s=0.1)
        assert time.monotonic() - began < 1.0
        rig.router.take(next(link for link in rig.router.links if link.dials), rig.router.kinds(Kind.DIAL_OK)[0])
        rig.router.is_mute.clear()
        link = next(link for link in rig.router.links if link.dials)
        rig.router.take(link, rig.router.kinds(Kind.DIAL_OK)[0])
        eventually(lambda: rig.router.kinds(Kind.CIRCUIT_CLOSE))


def test_a_dial_that_is_killed_leaves_nothing(made):
    rig = made()
    rig.router.is_mute.add(Kind.CONNECT)
    dialling = gevent.spawn(rig.visitor.dial, "svc")
    eventually(lambda: rig.router.kinds(Kind.CONNECT))
    dialling.kill()
    (channel,) = rig.visitor._channels.to(rig.router.url)._channels
    assert channel.load == 0


def test_a_channel_that_dies_under_a_dial_is_followed_by_another(made):
    rig = made("a", "b")
    rig.dialler.latency_s = {rig.routers[0].url: 0.001, rig.routers[1].url: 0.2}
    rig.routers[0].is_mute.add(Kind.CONNECT)
    with closing(rig.host.bind("svc")) as listener:
        eventually(lambda: all(router.binds for router in rig.routers))
        rig.visitor._channels.pick(rig.apis[0].session("svc", "Dial").routers, WAIT_S)
        eventually(lambda: len(rig.visitor._channels.to(rig.routers[1].url)._channels) == 1)
        dialling = gevent.spawn(rig.visitor.dial, "svc")
        eventually(lambda: rig.routers[0].kinds(Kind.CONNECT))
        rig.dialler.down.add(rig.routers[0].url)
        rig.routers[0].close()
        with closing(dialling.get(timeout=WAIT_S)):
            listener.accept()[0].close()


def test_a_channel_that_dies_with_its_last_answer_leaves_no_stream_that_hangs(made):
    rig = made()
    with closing(rig.host.bind("svc")) as listener:
        rig.visitor.dial("svc").close()
        (channel,) = rig.visitor._channels.live()
        answered = channel._answered

        def answer_and_die(reply_to, frame):
            answered(reply_to, frame)
            if frame.kind == Kind.CONNECTED:
                channel.close("the network ended our session")

        channel._answered = answer_and_die
        with closing(rig.visitor.dial("svc")) as near:
            assert near._channel is not channel
            near.send(b"x", WAIT_S)
        for _ in range(3):
            listener.accept()[0].close()


def test_with_all_routers_down_a_dial_fails_soon(made, monkeypatch):
    monkeypatch.setattr(channels_module, "_PATIENCE_S", 0.2)
    rig = made()
    rig.dialler.down.add(rig.router.url)
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(OverlayError, match="cannot be reached"):
            rig.visitor.dial("svc", timeout_s=5.0)
        assert time.monotonic() - began < 1.0


def test_routers_that_moved_are_found_by_the_next_dial(made, monkeypatch):
    monkeypatch.setattr(channels_module, "_PATIENCE_S", 0.2)
    rig = made("old", "new")
    old, new = rig.routers
    with closing(rig.host.bind("svc")):
        rig.apis[0].routers_ = [old]
        rig.visitor.dial("svc", timeout_s=WAIT_S).close()
        rig.apis[0].routers_ = [new]
        rig.dialler.down.add(old.url)
        old.close()
        with pytest.raises(OverlayError, match="cannot be reached"):
            rig.visitor.dial("svc", timeout_s=5.0)
        gevent.sleep(0)  # the controller is asked meanwhile
        rig.visitor.dial("svc", timeout_s=5.0).close()


def test_a_controller_that_is_away_meanwhile_changes_nothing(made, monkeypatch):
    monkeypatch.setattr(channels_module, "_PATIENCE_S", 0.2)
    rig = made()
    rig.visitor._api.session("svc", "Dial")
    rig.dialler.down.add(rig.router.url)
    monkeypatch.setattr(rig.apis[0], "routers", Mock(side_effect=OverlayError("the controller is away")))
    with pytest.raises(OverlayError, match="cannot be reached"):
        rig.visitor.dial("svc", timeout_s=5.0)
    rig.dialler.down.clear()
    with closing(rig.host.bind("svc")):
        rig.visitor.dial("svc", timeout_s=5.0).close()


def test_a_host_without_a_key_is_refused(made):
    rig = made()
    rig.apis[1].make("svc", encrypted=False)
    with closing(rig.host.bind("svc")) as listener:
        with pytest.raises(OverlayError, match="sent no key"):
            rig.visitor.dial("svc")
        far, _ = listener.accept()
        far.close()
        eventually(lambda: rig.router.kinds(Kind.CIRCUIT_CLOSE))


# -- who can wait, and who cannot ---


def held(rig):
    """What the visitor holds of a host that never stops sending, once it has stopped."""
    near, far = rig.pair()
    sending = gevent.spawn(far.send, bytes(32 << 20), None)
    sizes = [-1]
    with gevent.Timeout(WAIT_S):
        while near._receiver.held_bytes != sizes[-1] or not near._receiver.full:
            sizes.append(near._receiver.held_bytes)
            gevent.sleep(0.2)
    return near, far, sending


def test_a_peer_of_ours_waits_as_long_as_it_takes(made):
    rig = made(stall_limit=0.3)
    near, far, sending = held(rig)
    with closing(far):
        assert near._receiver.held_bytes < 2 << 20
        gevent.sleep(0.6)
        assert near.is_idle() is False
        assert near.recv(10, WAIT_S)
        near.close()
        eventually(sending.ready)
        with pytest.raises(StreamError):
            sending.get()


def test_another_fills_a_cap_and_is_broken_off(made, monkeypatch):
    monkeypatch.setattr(ZitiStream, "_waits", Flags.NONE)
    rig = made(stall_limit=0.3, foreign_cap=1 << 20)
    near, far = rig.pair()
    with closing(far):
        sending = gevent.spawn(pytest.raises, StreamError, far.send, bytes(32 << 20), None)
        sending.get(timeout=WAIT_S)
        with closing(near), pytest.raises(StreamError, match="not read in time"):
            while near.recv(1 << 20, WAIT_S):
                pass


# -- the end ---


def test_closing_ends_listeners_and_keeps_streams(made):
    rig = made()
    listener = rig.host.bind("svc")
    near = rig.visitor.dial("svc")
    far, _ = listener.accept()
    rig.visitor.close()
    rig.host.close()
    rig.host.close()
    with pytest.raises(StreamClosed):
        listener.accept()
    near.send(b"still", WAIT_S)
    assert far.recv(100, WAIT_S) == b"still"
    assert not any(api.closed for api in rig.apis), "its end would end the streams"
    near.close()
    assert far.recv(100, WAIT_S) == b""
    far.close()
    eventually(lambda: all(api.closed for api in rig.apis))
    eventually(lambda: not rig.router.links)


def test_a_node_without_streams_ends_at_once(made):
    rig = made()
    rig.visitor.close()
    assert rig.apis[0].closed


def test_dials_right_after_an_unbind_are_still_refused_by_us(made, monkeypatch):
    rig = made()
    monkeypatch.setattr(node_module, "_LATE_S", 0.5)
    rig.host.bind("svc")
    (link, conn) = next(iter(rig.router.binds))
    closing_ = gevent.spawn(rig.host.close)
    eventually(lambda: rig.router.kinds(Kind.UNBIND))
    rig.router.dial(link, conn)
    eventually(lambda: rig.router.kinds(Kind.DIAL_FAILED))
    closing_.get(timeout=WAIT_S)
