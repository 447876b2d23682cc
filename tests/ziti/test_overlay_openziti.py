"""The contract on a real network through the vendor's library, as far as that library can keep it."""

from __future__ import annotations

import hashlib
import os
import signal
from contextlib import closing
from typing import Any

import gevent
import pytest
from zrokd_plugins.overlay_openziti import OpenzitiOverlay
from zrokd_plugins.overlay_openziti.native import LibraryError, path_of_library
from zrokd_plugins.overlay_ziti import ZitiOverlay

from zrokd.contracts import Listener, Overlay, Stream
from zrokd.errors import OverlayError, StreamError
from zrokd.testing import leaks
from zrokd.testing.contracts.overlay import WAIT_S, OverlayContract, Rig
from zrokd.testing.plugin import Bench

try:
    path_of_library()
except LibraryError as error:
    pytest.skip(f"{error} (python3 dev.py sets it up where it can)", allow_module_level=True)

AT_ONCE, CYCLES = 100, 200
BACK_S = 15.0


def exactly(stream: Stream, size: int) -> bytes:
    """So many bytes."""
    data = b""
    while len(data) < size:
        piece = stream.recv(size - len(data), WAIT_S)
        assert piece, f"it ended after {len(data)} bytes"
        data += piece
    return data


def send_back(stream: Stream) -> None:
    """What comes, for as long as it comes."""
    while data := stream.recv(65536, WAIT_S):
        stream.send(data, WAIT_S)


def is_answered(rig: Rig) -> bool:
    """Whether a visitor gets back what it says."""
    try:
        with closing(rig.visitor.dial("svc", timeout_s=2.0)) as near:
            near.send(b"back", 2.0)
            return near.recv(4, 2.0) == b"back"
    except (OverlayError, StreamError):
        return False


@pytest.mark.timeout(120)
class TestOverlayOpenziti(OverlayContract):
    """overlay.ziti administers the network, as in a deployment; this one dials and binds."""

    Component = OpenzitiOverlay

    @pytest.fixture
    def administrator(self, ziti_network: Any, zrokd: Bench) -> Any:
        admin = {"username": ziti_network.username, "password": ziti_network.password}
        settings = ZitiOverlay.Settings(controller=ziti_network.url, ca=str(ziti_network.ca), admin=admin)
        return zrokd.open(ZitiOverlay, settings)

    # -- the rest of the contract, without what the library lacks ---

    def test_bytes_arrive_whole_where_both_know_how_many(self, rig: Rig, listener: Listener) -> None:
        rig.serve(listener, send_back)
        data = os.urandom(1024 * 1024)
        with closing(rig.visitor.dial("svc", timeout_s=WAIT_S)) as near:
            sending = rig.group.spawn(near.send, data, WAIT_S)
            back = exactly(near, len(data))
            sending.get(timeout=WAIT_S)
        assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()

    def test_many_at_once_keep_their_bytes_apart(self, rig: Rig, listener: Listener) -> None:
        rig.serve(listener, send_back)

        def ask(number: int) -> bool:
            with closing(rig.visitor.dial("svc", timeout_s=WAIT_S)) as near:
                word = b"%6d" % number
                near.send(word, WAIT_S)
                return exactly(near, len(word)) == word

        asking = [rig.group.spawn(ask, number) for number in range(AT_ONCE)]
        assert sum(one.get(timeout=3 * WAIT_S) for one in asking) == AT_ONCE

    def test_many_dials_leave_nothing_behind(self, rig: Rig, listener: Listener) -> None:
        for end in rig.pair(listener):
            end.close()
        with leaks.nothing_left(WAIT_S):
            for _ in range(CYCLES):
                near, far = rig.pair(listener)
                near.send(b"x", WAIT_S)
                assert far.recv(1, WAIT_S) == b"x"
                near.close()
                far.close()

    def test_the_administrators_half_is_refused(self, overlay: Overlay) -> None:
        with pytest.raises(OverlayError, match=r"overlay\.ziti"):
            overlay.admin("anybody")

    # -- a worker is expected to die ---

    @pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGSTOP])
    @pytest.mark.slow
    def test_a_worker_that_crashes_or_hangs_is_replaced_and_binds_again(
        self, rig: Rig, listener: Listener, number: signal.Signals
    ) -> None:
        near, far = rig.pair(listener)
        os.kill(rig.backend._assistant._child.pid, number)
        if number != signal.SIGSTOP:
            assert near.recv(1, WAIT_S) == b""  # the streams are lost with it
        near.close()
        far.close()
        rig.serve(listener, send_back)  # also what was dialled to the old worker, and leads nowhere
        with gevent.Timeout(BACK_S):
            while not is_answered(rig):
                gevent.sleep(0.05)
