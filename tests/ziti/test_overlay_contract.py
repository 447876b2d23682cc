"""The overlay's contract on a real network, with and without encryption; and that much use leaves nothing behind."""

from __future__ import annotations

import gc
from contextlib import closing
from pathlib import Path
from typing import Any

import gevent
import pytest
from zrokd_plugins.overlay_ziti import ZitiOverlay
from zrokd_plugins.overlay_ziti.management import Management

from zrokd.errors import StreamError
from zrokd.testing import leaks
from zrokd.testing.contracts.overlay import WAIT_S, OverlayContract, Rig, echo

CYCLES = 5000
AT_ONCE = 20
GROWTH_MIB = 8.0


@pytest.mark.timeout(120)
class TestOverlayZiti(OverlayContract):
    """Every share is encrypted from end to end."""

    Component = ZitiOverlay
    loss_s = 10.0
    most_bytes = 2 * 1024 * 1024

    @pytest.fixture(autouse=True)
    def _on(self, ziti_network: Any) -> None:
        self.network = ziti_network

    @pytest.fixture(autouse=True)
    def _warm(self, _on: None, request: pytest.FixtureRequest) -> None:
        """Channels and API sessions belong to the nodes, and are kept: no test takes them for what a stream left."""
        if "rig" in request.fixturenames:
            rig = request.getfixturevalue("rig")
            with closing(rig.backend.bind("svc")) as listener:
                for end in rig.pair(listener):
                    end.close()

    def make_settings(self, tmp_path: Path) -> Any:
        network = self.network
        admin = {"username": network.username, "password": network.password}
        edge = {"answer_timeout": WAIT_S}  # a thousand dials at once on a busy machine: how soon is not asked here
        return self.Component.Settings(controller=network.url, ca=str(network.ca), admin=admin, edge=edge)

    @pytest.mark.slow
    @pytest.mark.timeout(500)
    def test_thousands_of_dials_leave_nothing_behind(self, rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
        """Descriptors and greenlets as before, and memory, too, once everything has been used."""
        with closing(rig.backend.bind("svc")) as listener:
            rig.serve(listener, echo)
            self.cycle(rig, 500)
            before_mib = memory_mib()
            with leaks.nothing_left(2 * WAIT_S):
                self.cycle(rig, CYCLES)
            grown_mib = memory_mib() - before_mib
        with capsys.disabled():
            print(f"\n{CYCLES} dials: memory grew by {grown_mib:.1f} MiB")
        assert grown_mib < GROWTH_MIB

    def cycle(self, rig: Rig, count: int) -> None:
        """So many dials, each with a word there and back, some at once; every third is broken off."""

        def one(number: int) -> None:
            word = b"%d" % number
            with closing(rig.visitor.dial("svc", timeout_s=WAIT_S)) as near:
                near.send(word, WAIT_S)
                assert near.recv(100, WAIT_S) == word
                if number % 3 == 0:
                    near.abort()

        def some(first: int) -> None:
            for number in range(first, count, AT_ONCE):
                one(number)

        gevent.joinall([rig.group.spawn(some, first) for first in range(AT_ONCE)], raise_error=True)

    def test_an_abort_reaches_the_peer_at_once(self, both: tuple[Any, Any]) -> None:
        """A router alone would take five seconds to tell."""
        near, far = both
        far.send(b"here", WAIT_S)
        assert near.recv(100, WAIT_S) == b"here"
        near.abort()
        with gevent.Timeout(1.0), pytest.raises(StreamError):
            far.recv(1)

    def test_an_unbound_terminator_is_gone_from_the_network(self, rig: Rig) -> None:
        listener = rig.backend.bind("svc", terminator="named")
        assert {each["identity"] for each in self.network.terminators("svc")} == {"", "named"}
        rig.backend._api.authenticate()  # sessions of the API are others from here on
        listener.close()
        with gevent.Timeout(WAIT_S):
            while self.network.terminators("svc"):
                gevent.sleep(0.05)


@pytest.mark.timeout(120)
class TestOverlayZitiWithoutEncryption(TestOverlayZiti):
    """Services that others made may not ask for it."""

    @pytest.fixture(autouse=True)
    def _on(self, ziti_network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.network = ziti_network
        create = Management.create

        def create_plain(management: Management, kind: str, **fields: Any) -> str:
            if kind == "services":
                fields["encryptionRequired"] = False
            return create(management, kind, **fields)

        monkeypatch.setattr(Management, "create", create_plain)


def memory_mib() -> float:
    """What this process holds."""
    gc.collect()
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024
