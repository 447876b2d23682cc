"""Hello over TLS, on loopback."""

import ssl
import time
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer
from zrokd_plugins.overlay_ziti.authority import Authority
from zrokd_plugins.overlay_ziti.dialler import Dialler
from zrokd_plugins.overlay_ziti.frames import Key, Kind
from zrokd_plugins.overlay_ziti.identity import IdentityFile
from zrokd_plugins.overlay_ziti.settings import EdgeSettings

from tests.plugins.overlay_ziti.fakes import WAIT_S, FakeApi, FakeRouter
from zrokd.errors import OverlayError, OverlayTimeout


class Certificates:
    """An authority, what its servers show, and an identity of its network."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder)
        authority.ensure("test", ["localhost", "127.0.0.1"])
        self.authority = authority
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(authority.server, authority.key)
        self.server.set_alpn_protocols(["ziti-edge"])
        text = {
            "cert": authority.client.read_text(),
            "key": authority.key.read_text(),
            "ca": authority.ca.read_text(),
        }
        self.identity = IdentityFile(controllers=("https://127.0.0.1:1",), **text)


@pytest.fixture
def certificates(tmp_path):
    return Certificates(tmp_path / "pki")


@pytest.fixture
def served(certificates):
    """served(hello): a router behind TLS; its address and itself."""
    router, servers = FakeRouter("r1"), []
    router.protocols = []

    def take(sock, _):
        router.protocols.append(sock.selected_alpn_protocol())
        router.attach(sock).greenlet.join()

    def serve(hello=None, handle=take, **tls):
        if hello is not None:
            router.hello = hello
        server = StreamServer(("127.0.0.1", 0), handle, **(tls or {"ssl_context": certificates.server}))
        server.start()
        servers.append(server)
        return f"tls://127.0.0.1:{server.server_port}", router

    yield serve
    router.close()
    for server in servers:
        server.stop()


@pytest.fixture
def dialler(certificates, zrokd_bench):
    zrokd_bench.ctx.offload(int)
    api = FakeApi([])
    settings = EdgeSettings(connect_timeout=0.6)
    made = Dialler(certificates.identity, api, settings, zrokd_bench.ctx.log, zrokd_bench.ctx.spawn)
    made.api = api
    return made


def test_hello_shows_the_api_session_and_asks_for_a_group(dialler, served):
    url, router = served()
    channel = dialler.connect(url)
    hello, probe = router.seen
    assert probe.kind == Kind.LATENCY
    assert hello.headers[Key.TOKEN] == b"api-1"
    assert (hello.headers[Key.GROUP_TYPE], hello.flag(Key.GROUPED)) == (b"edge.default", True)
    assert router.protocols == ["ziti-edge"]
    assert 0 < channel.latency_s < WAIT_S
    channel.close("the test is over")


def test_a_refused_token_is_renewed_once(dialler, served):
    url, router = served(lambda frame: b"" if frame.headers[Key.TOKEN] == b"api-2" else b"invalid api session")
    channel = dialler.connect(url)
    assert [frame.headers[Key.TOKEN] for frame in router.kinds(Kind.HELLO)] == [b"api-1", b"api-2"]
    assert channel.alive
    channel.close("the test is over")


@pytest.mark.parametrize("mute", [Kind.HELLO, Kind.LATENCY])
def test_a_router_that_welcomes_a_revoked_session_and_then_is_silent_is_asked_with_a_fresh_one(dialler, served, mute):
    url, router = served()
    dialler.api.is_revoked = True
    router.is_mute.add(mute)
    dialler.api.on_refresh = router.is_mute.clear
    channel = dialler.connect(url)
    assert [frame.headers[Key.TOKEN] for frame in router.kinds(Kind.HELLO)] == [b"api-1", b"api-2"]
    channel.close("the test is over")


def test_a_controller_that_is_away_does_not_keep_us_from_a_slow_router(dialler, served):
    url, router = served()
    dialler.api.trouble = OverlayError("no controller answers")
    router.is_mute.add(Kind.HELLO)
    dialler.api.on_refresh = router.is_mute.clear
    channel = dialler.connect(url)
    assert [frame.headers[Key.TOKEN] for frame in router.kinds(Kind.HELLO)] == [b"api-1", b"api-1"]
    channel.close("the test is over")


def test_who_is_refused_twice_is_told_why(dialler, served):
    url, router = served(lambda frame: b"not today")
    with pytest.raises(OverlayError, match="refused us: not today"):
        dialler.connect(url)
    assert len(router.seen) == 2


def test_a_router_that_is_not_there_cannot_be_reached(dialler):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(OverlayError, match="cannot be reached"):
            dialler.connect(f"tls://127.0.0.1:{sock.getsockname()[1]}")


@pytest.mark.slow
def test_a_router_that_says_nothing_has_its_limit(dialler, served):
    for tls in ({}, {"backlog": 5}):
        url, _ = served(None, lambda sock, _: gevent.sleep(2), **tls)
        began = time.monotonic()
        with pytest.raises((OverlayError, OverlayTimeout)):
            dialler.connect(url)
        assert time.monotonic() - began < 2.5


def test_whoever_is_no_router_is_refused(dialler, served):
    url, _ = served(None, lambda sock, _: sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), backlog=5)
    with pytest.raises(OverlayError, match="cannot be reached"):
        dialler.connect(url)


def test_a_router_of_another_network_is_refused(dialler, served, tmp_path):
    url, router = served(None, ssl_context=Certificates(tmp_path / "other").server)
    with pytest.raises(OverlayError, match="is not its own"):
        dialler.connect(url)
    assert not router.seen


@pytest.mark.parametrize("at", [0.0, 0.02])
def test_who_is_killed_while_it_connects_leaves_nothing(dialler, served, at):
    url, router = served()
    router.is_mute.add(0)
    connecting = gevent.spawn(dialler.connect, url)
    gevent.sleep(at)
    connecting.kill()
