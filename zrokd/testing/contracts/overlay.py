"""OverlayContract: every overlay passes it, and so does yours."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import ClassVar

import gevent
import pytest
from gevent.pool import Group

from zrokd.contracts import Caller, Listener, Overlay, Stream
from zrokd.errors import NoTerminator, OverlayError, StreamClosed, StreamError, StreamTimeout, UnknownService
from zrokd.testing import leaks
from zrokd.testing.contracts.component import ComponentContract
from zrokd.testing.contracts.rig import WAIT_S, Rig, echo, read_all
from zrokd.testing.plugin import Bench

REVOKED_S = 5.0


class OverlayContract(ComponentContract):
    """The suite for slot overlay."""

    #: How many streams are open at once in the parallel test.
    streams: ClassVar[int] = 1000
    #: How soon a listener notices that its service is gone.
    loss_s: ClassVar[float] = 5.0
    #: The most that may be under way in one direction when nobody reads.
    most_bytes: ClassVar[int] = 512 * 1024

    @pytest.fixture
    def overlay(self, component: Overlay) -> Overlay:
        """The overlay, open."""
        return component

    @pytest.fixture
    def administrator(self, overlay: Overlay) -> Overlay:
        """Who makes services: the overlay itself, or another onto the same network."""
        return overlay

    def needs(self, *promises: str) -> None:
        """Skip a test of what the overlay says it lacks."""
        if missing := [each for each in promises if each in self.Component.lacks]:  # type: ignore[attr-defined]
            pytest.skip(f"overlay.{self.Component.name} lacks {', '.join(missing)}, and says so")

    @pytest.fixture
    def rig(self, overlay: Overlay, administrator: Overlay, zrokd: Bench) -> Iterator[Rig]:
        """The overlay with a service on it."""
        zrokd.ctx.offload(int)
        admin = administrator.admin("contract")
        backend, frontend = admin.create_environment("backend"), admin.create_frontend("frontend")
        admin.create_share("svc", backend.z_id, public=True, config={})
        group = Group()
        made = Rig(admin, backend.z_id, overlay.node(backend.document), overlay.node(frontend.document), group)
        yield made
        made.backend.close()
        made.visitor.close()
        group.kill()
        admin.delete_share("svc")

    @pytest.fixture
    def listener(self, rig: Rig) -> Iterator[Listener]:
        """A bound end of `svc`."""
        with closing(rig.backend.bind("svc")) as bound:
            yield bound

    @pytest.fixture
    def both(self, rig: Rig, listener: Listener) -> Iterator[tuple[Stream, Stream]]:
        """The two ends of one stream."""
        near, far = rig.pair(listener)
        with closing(near), closing(far):
            yield near, far

    # -- streams ---

    def test_bytes_go_both_ways(self, both: tuple[Stream, Stream]) -> None:
        near, far = both
        near.send(b"question", WAIT_S)
        assert far.recv(100, WAIT_S) == b"question"
        far.send(b"answer", WAIT_S)
        buffer = bytearray(100)
        assert buffer[: near.recv_into(memoryview(buffer), WAIT_S)] == b"answer"

    def test_the_server_speaks_first_if_it_likes(self, both: tuple[Stream, Stream]) -> None:
        near, far = both
        far.send(b"220 hello", WAIT_S)
        assert near.recv(100, WAIT_S) == b"220 hello"

    def test_an_accepted_stream_says_who_calls(self, rig: Rig, listener: Listener) -> None:
        dialling = rig.group.spawn(rig.visitor.dial, "svc", timeout_s=WAIT_S, caller="me")
        far, caller = listener.accept()
        assert isinstance(caller, Caller)
        assert caller.said == "me" or "said" in self.Component.lacks  # type: ignore[attr-defined]
        far.close()
        dialling.get(timeout=WAIT_S).close()

    def test_one_direction_ends_and_the_other_goes_on(self, both: tuple[Stream, Stream]) -> None:
        near, far = both
        near.send(b"all I have", WAIT_S)
        near.send_eof()
        near.send_eof()
        assert read_all(far) == b"all I have"
        far.send(b"still here", WAIT_S)
        assert near.recv(100, WAIT_S) == b"still here"
        far.send_eof()
        assert near.recv(100, WAIT_S) == b""

    def test_a_close_ends_the_other_side(self, both: tuple[Stream, Stream]) -> None:
        near, far = both
        near.close()
        near.close()
        assert far.recv(100, WAIT_S) == b""

    def test_an_aborted_stream_is_broken_for_the_peer(self, both: tuple[Stream, Stream]) -> None:
        near, far = both
        far.send(b"unread", WAIT_S)
        assert near.wait_readable(WAIT_S)
        near.abort()
        if "abort" not in self.Component.lacks:  # type: ignore[attr-defined]
            with pytest.raises(StreamError):
                read_all(far)
        else:
            with suppress(StreamError):
                assert read_all(far) == b""

    def test_sending_to_one_who_left_fails_soon(self, both: tuple[Stream, Stream]) -> None:
        near, far = both
        far.close()
        with gevent.Timeout(WAIT_S), pytest.raises(StreamError):
            while True:
                near.send(b"x" * 65536, WAIT_S)

    def test_bytes_arrive_whole_and_in_order(self, rig: Rig, listener: Listener) -> None:
        self.needs("half-close")
        rig.serve(listener, echo)
        data = os.urandom(4 * 1024 * 1024)
        with closing(rig.visitor.dial("svc", timeout_s=WAIT_S)) as near:
            sending = rig.group.spawn(lambda: (near.send(data, WAIT_S), near.send_eof()))
            back = read_all(near)
            sending.get(timeout=WAIT_S)
        assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()

    def test_a_slow_reader_stops_its_writer_and_nobody_else(self, rig: Rig, listener: Listener) -> None:
        self.needs("backpressure")
        near, far = rig.pair(listener)
        other_near, other_far = rig.pair(listener)
        sent = 0
        with closing(near), closing(far), closing(other_near), closing(other_far):
            with pytest.raises(StreamTimeout):
                while sent <= 4 * self.most_bytes:
                    near.send(b"x" * 16384, 0.2)
                    sent += 16384
            assert sent <= self.most_bytes, "too much is held for a reader that does not read"
            other_near.send(b"ping", WAIT_S)
            assert other_far.recv(4, WAIT_S) == b"ping"

    def test_many_streams_at_once_keep_their_bytes_apart(self, rig: Rig, listener: Listener) -> None:
        self.needs("half-close")
        rig.serve(listener, echo)

        def ask(number: int) -> bool:
            with closing(rig.visitor.dial("svc", timeout_s=3 * WAIT_S)) as near:
                near.send(b"%d" % number, WAIT_S)
                gate.wait()
                near.send_eof()
                return read_all(near) == b"%d" % number

        gate = gevent.event.Event()
        asking = [rig.group.spawn(ask, number) for number in range(self.streams)]
        gevent.spawn_later(0.05, gate.set)
        gevent.joinall(asking, timeout=3 * WAIT_S)
        assert sum(one.get(timeout=WAIT_S) for one in asking) == self.streams

    # -- waiting ---

    def test_every_wait_has_its_limit(self, both: tuple[Stream, Stream]) -> None:
        near, _ = both
        with pytest.raises(StreamTimeout):
            near.recv(1, 0.02)
        assert not near.wait_readable(0.02)
        assert near.is_idle()

    def test_closing_wakes_who_waits(self, rig: Rig, both: tuple[Stream, Stream]) -> None:
        near, _ = both
        waiting = rig.group.spawn(pytest.raises, StreamClosed, near.recv, 1)
        gevent.sleep(0.02)
        near.close()
        waiting.get(timeout=WAIT_S)

    def test_a_waiting_greenlet_can_be_killed_and_the_stream_lives(self, rig: Rig, both: tuple[Stream, Stream]) -> None:
        near, far = both
        waiting = rig.group.spawn(near.recv, 1)
        gevent.sleep(0.02)
        waiting.kill()
        far.send(b"x", WAIT_S)
        assert near.recv(1, WAIT_S) == b"x"

    def test_a_stream_at_rest_knows_whether_it_can_be_used(self, both: tuple[Stream, Stream]) -> None:
        near, far = both
        assert near.is_idle()
        far.send(b"x", WAIT_S)
        assert near.wait_readable(WAIT_S)
        assert not near.is_idle()
        near.recv(1, WAIT_S)
        assert near.is_idle()
        far.close()
        assert near.wait_readable(WAIT_S)
        assert not near.is_idle()

    # -- listeners ---

    def test_closing_a_listener_wakes_who_accepts(self, rig: Rig, listener: Listener) -> None:
        waiting = rig.group.spawn(pytest.raises, StreamClosed, listener.accept)
        gevent.sleep(0.02)
        listener.close()
        listener.close()
        waiting.get(timeout=WAIT_S)

    def test_unbind_then_rebind(self, rig: Rig, listener: Listener) -> None:
        self.needs("unbind")
        listener.close()
        with pytest.raises(OverlayError):
            rig.visitor.dial("svc", timeout_s=WAIT_S)
        with closing(rig.backend.bind("svc")) as again:
            near, far = rig.pair(again)
            near.close()
            far.close()

    def test_streams_outlive_their_listener_and_node(
        self, rig: Rig, both: tuple[Stream, Stream], listener: Listener
    ) -> None:
        near, far = both
        listener.close()
        rig.backend.close()
        rig.visitor.close()
        near.send(b"still", WAIT_S)
        assert far.recv(100, WAIT_S) == b"still"

    def test_a_closed_node_serves_no_more(self, rig: Rig) -> None:
        listener = rig.backend.bind("svc")
        rig.backend.close()
        rig.backend.close()
        with pytest.raises(StreamClosed):
            listener.accept()
        with pytest.raises(NoTerminator):
            rig.visitor.dial("svc", timeout_s=WAIT_S)

    def test_several_may_serve_one_service(self, rig: Rig) -> None:
        self.needs("unbind")
        left, right = (rig.backend.bind("svc", terminator=name) for name in ("left", "right"))
        with closing(left), closing(right):
            for listener, name in ((left, "left"), (right, "right")):
                near, far = rig.pair(listener, name)
                near.send(name.encode(), WAIT_S)
                assert far.recv(100, WAIT_S) == name.encode()
                near.close()
                far.close()
            left.close()
            near, far = rig.pair(right)
            near.close()
            far.close()

    def test_those_who_serve_one_service_can_be_told_apart(self, rig: Rig) -> None:
        self.needs("unbind")
        left, right = (rig.backend.bind("svc", terminator=name) for name in ("left", "right"))
        with closing(left), closing(right):
            assert set(rig.visitor.terminators("svc")) in ({"left", "right"}, set())
            told = []
            for listener, name in ((left, "left"), (right, "right"), (left, "left")):
                near, far = rig.pair(listener, name)
                told.append(near.terminator)
                near.close()
                far.close()
        assert told[0] == told[2]
        assert told[0] != told[1] or told == ["", "", ""]

    def test_a_listener_notices_that_its_service_is_gone(self, rig: Rig, listener: Listener) -> None:
        self.needs("loss")
        waiting = rig.group.spawn(pytest.raises, OverlayError, listener.accept)
        gevent.sleep(0.02)
        rig.admin.delete_share("svc")
        waiting.get(timeout=self.loss_s + WAIT_S)

    # -- dialling what is not there ---

    def test_an_unknown_service_is_told(self, rig: Rig) -> None:
        with pytest.raises(UnknownService):
            rig.visitor.dial("nosuchservice", timeout_s=WAIT_S)
        with pytest.raises(UnknownService):
            rig.backend.bind("nosuchservice")
        with suppress(UnknownService):
            assert not rig.visitor.terminators("nosuchservice")

    def test_a_service_that_nobody_serves_is_told(self, rig: Rig) -> None:
        with pytest.raises(NoTerminator):
            rig.visitor.dial("svc", timeout_s=WAIT_S)

    def test_a_damaged_identity_is_refused(self, overlay: Overlay) -> None:
        for document in ("", "{}", "not json", '{"overlay":"another"}', "[]", "null"):
            with pytest.raises(OverlayError):
                overlay.node(document)

    # -- the administrator's half ---

    def test_creating_and_deleting_twice_is_once(self, rig: Rig) -> None:
        rig.admin.create_share("twice", rig.z_id, public=True, config={})
        rig.admin.create_share("twice", rig.z_id, public=True, config={})
        assert rig.admin.list_shares() == {"svc", "twice"}
        rig.admin.delete_share("twice")
        rig.admin.delete_share("twice")
        assert rig.admin.list_shares() == {"svc"}

    def test_a_share_can_be_made_again_after_it_was_deleted(self, rig: Rig) -> None:
        rig.admin.delete_share("svc")
        rig.admin.create_share("svc", rig.z_id, public=True, config={})
        with closing(rig.backend.bind("svc")) as listener:
            near, far = rig.pair(listener)
            near.close()
            far.close()

    def test_an_access_lets_another_environment_dial_a_private_share_until_it_ends(
        self, rig: Rig, overlay: Overlay
    ) -> None:
        rig.admin.create_share("private1", rig.z_id, public=False, config={})
        guest = rig.admin.create_environment("guest")
        for make in (rig.admin.create_access, rig.admin.create_access):
            make("access1", "private1", guest.z_id)
        with closing(overlay.node(guest.document)) as node, closing(rig.backend.bind("private1")) as listener:
            dialling = rig.group.spawn(node.dial, "private1", timeout_s=WAIT_S)
            far, _ = listener.accept()
            with closing(far), closing(dialling.get(timeout=WAIT_S)) as near:
                for end in (rig.admin.delete_access, rig.admin.delete_access):
                    end("access1", "private1")
                for stream in (near, far):
                    with suppress(StreamError), gevent.Timeout(REVOKED_S):
                        assert stream.recv(1, WAIT_S) == b""
            with pytest.raises(OverlayError):
                node.dial("private1", timeout_s=WAIT_S)
        rig.admin.delete_share("private1")

    def test_a_controller_dials_an_agent(self, rig: Rig, overlay: Overlay) -> None:
        rig.admin.create_agent("agent1", rig.z_id)
        rig.admin.create_agent("agent1", rig.z_id)
        assert rig.admin.list_shares() == {"svc", "agent1"}
        first, second = rig.admin.create_controller(), rig.admin.create_controller()
        assert first == second
        with closing(overlay.node(first.document)) as node, closing(rig.backend.bind("agent1")) as listener:
            dialling = rig.group.spawn(node.dial, "agent1", timeout_s=WAIT_S)
            far, _ = listener.accept()
            far.close()
            dialling.get(timeout=WAIT_S).close()
        rig.admin.delete_share("agent1")
        assert rig.admin.list_shares() == {"svc"}

    def test_an_environment_goes_with_its_shares(self, rig: Rig) -> None:
        gone = rig.admin.create_environment("gone")
        rig.admin.create_share("its", gone.z_id, public=True, config={})
        rig.admin.delete_environment(gone.z_id)
        rig.admin.delete_environment(gone.z_id)
        rig.admin.delete_share("its")
        assert rig.admin.list_shares() == {"svc"}

    def test_a_frontend_keeps_its_identity(self, rig: Rig) -> None:
        first, second = rig.admin.create_frontend("edge"), rig.admin.create_frontend("edge")
        assert first.z_id == second.z_id
        assert rig.admin.create_frontend("other").z_id != first.z_id

    def test_environments_differ(self, rig: Rig) -> None:
        one, two = rig.admin.create_environment("same name"), rig.admin.create_environment("same name")
        assert one.z_id != two.z_id

    def test_another_instance_is_left_alone(self, rig: Rig, administrator: Overlay) -> None:
        other = administrator.admin("another")
        assert other.list_shares() == set()
        other.delete_share("svc")
        assert rig.admin.list_shares() == {"svc"}
        with pytest.raises(OverlayError):
            other.create_share("svc", rig.z_id, public=True, config={})

    def test_usage_can_be_asked_for(self, rig: Rig) -> None:
        assert all(sample.rx_bytes >= 0 and sample.tx_bytes >= 0 for sample in rig.admin.usage())

    # -- nothing stays ---

    def test_streams_leave_nothing_behind(self, rig: Rig) -> None:
        self.needs("unbind")
        with leaks.nothing_left(WAIT_S), closing(rig.backend.bind("svc")) as listener:
            for _ in range(50):
                near, far = rig.pair(listener)
                near.send(b"x", WAIT_S)
                far.recv(1, WAIT_S)
                near.close()
                far.close()
