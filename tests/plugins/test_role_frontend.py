"""The frontend role over real sockets and the embedded overlay, with a controller made of promises."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import logging
import socket
import stat
import time
from collections import Counter
from pathlib import Path

import gevent
import pytest
from gevent import Greenlet
from pydantic import ValidationError
from zrokd_plugins import role_frontend
from zrokd_plugins.filter_forwarded import ForwardedFilter, ForwardedSettings
from zrokd_plugins.gate_basic import BasicGate, BasicSettings
from zrokd_plugins.overlay_local import LocalOverlay, LocalSettings
from zrokd_plugins.overlay_local.node import LocalNode
from zrokd_plugins.role_frontend import role as role_module
from zrokd_plugins.role_frontend.role import FrontendRole
from zrokd_plugins.role_frontend.settings import AccessSettings, FrontendSettings, LimitSettings
from zrokd_plugins.role_frontend.usage import flush

from zrokd.client.environment import EnabledEnvironment, EnvironmentFile
from zrokd.config.schema import TopLevel
from zrokd.contracts import Use
from zrokd.errors import (
    Denied,
    Invalid,
    NotFound,
    OverlayTimeout,
    RestartNeeded,
    StartError,
    StreamError,
    StreamTimeout,
    Unavailable,
)
from zrokd.model.environment import Identity
from zrokd.model.http import Respond
from zrokd.model.naming import Mapping, MappingChanges
from zrokd.model.share import Gating
from zrokd.model.units import Address, Secret, parse_address
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.server import serve
from zrokd.net.meter import Meter
from zrokd.net.signal import Bell
from zrokd.net.stream import connect
from zrokd.net.tls.settings import TlsSettings
from zrokd.proxy.upstream import PoolLimits

LOCAL = parse_address("127.0.0.1:0")
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"  # of the key that RFC 6455 has for an example
WAIT_S = 5.0


def eventually(check, why="") -> None:
    """Wait until something holds for which there is no event."""
    until = time.monotonic() + WAIT_S
    while not check():
        assert time.monotonic() < until, why or "it never came true"
        gevent.sleep(0.005)


# -- what the role is given ---


class FakeController:
    """One store of names, and the books about accesses. `away` makes it unreachable."""

    def __init__(self, identity: Identity) -> None:
        self.given, self.epoch, self.version = identity, "e1", 0
        self.changes: dict[str, Mapping] = {}
        self.bell, self.away, self.refuses = Bell(), False, None
        self.accesses: dict[str, tuple[str, str]] = {}
        self.modes: dict[str, str] = {}
        self.asked_identity = 0
        self.waiting = 0
        self.asked: list[tuple] = []  # who connected: URL, token, verify
        self.unshared: list[str] = []
        self.reports: list[tuple[str, dict[str, tuple[int, int]]]] = []  # of usage: batch, bytes by token
        self.says: list[Exception | None] = []  # to the next reports; None: takes it, and the answer gets lost

    def name(self, host: str, token: str, gating: Gating | None = None) -> None:
        self.version += 1
        self.changes[host] = Mapping(
            version=self.version, host=host, token=token, mode="proxy", gating=gating or Gating()
        )
        self.bell.ring()

    def close(self) -> None:
        self.closed = True

    def go_away(self) -> None:
        self.away = True
        self.bell.ring()

    def _here(self) -> None:
        if self.away:
            raise Unavailable("the controller does not answer")

    def identity(self) -> Identity:
        self._here()
        self.asked_identity += 1
        return self.given

    def mappings(self, epoch: str, since: int, wait_s: float) -> MappingChanges:
        self._here()
        if epoch == self.epoch and since == self.version and wait_s:
            self.waiting += 1
            self.bell.wait(self.bell.version, wait_s)
            self.waiting -= 1
            self._here()
        full = epoch != self.epoch
        news = [m for m in self.changes.values() if full or m.version > since]
        return MappingChanges(epoch=self.epoch, version=self.version, full=full, mappings=tuple(news))

    def report_usage(self, reporter: str, batch: str, samples) -> None:
        self._here()
        answer = self.says.pop(0) if self.says else "ok"
        if isinstance(answer, Exception):
            raise answer
        self.reports.append((batch, {one.share_token: (one.rx_bytes, one.tx_bytes) for one in samples}))
        if answer is None:
            raise Unavailable("the controller does not answer")

    def access(self, z_id: str, share_token: str, bind_address: str, description: str) -> tuple[str, str]:
        self._here()
        if self.refuses:
            raise self.refuses
        token = f"access-{len(self.accesses) + 1}-{time.monotonic_ns()}"
        self.accesses[token] = (share_token, bind_address)
        return token, self.modes.get(share_token, "proxy")

    def unaccess(self, z_id: str, share_token: str, access_token: str) -> None:
        self._here()
        if self.accesses.pop(access_token, None) is None:
            raise NotFound("no such access, or not yours")

    def unshare(self, z_id: str, token: str) -> None:
        self._here()
        self.unshared.append(token)


class Host:
    """A small host: enough of a Context, and a folder of shares that answer."""

    def __init__(self, folder: Path) -> None:
        self.state_dir = folder / "state"
        self.state_dir.mkdir(exist_ok=True)
        self.log, self.clock, self.hooks = logging.getLogger("test.frontend"), self, self
        self.exchanges, self.connections, self.ready, self.built, self.sinks = [], [], [], [], []
        self.failures = []
        self.greenlets, self.listeners, self.streams = [], [], []
        self.overlay = LocalOverlay(LocalSettings(dir=str(folder / "overlay")), self)
        self.admin = self.overlay.admin("test")

    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def now_ms() -> int:
        return int(time.time() * 1000)

    @staticmethod
    def hears(hook):
        return True

    def on_exchange(self, summary):
        self.exchanges.append(summary)

    def on_connection_closed(self, summary):
        self.connections.append(summary)

    def on_access_ready(self, token, address):
        self.ready.append((token, address))

    scales = None

    def fail(self, error):
        self.failures.append(str(error))

    def components(self, slot):
        return self.sinks if slot == "sink" else []

    def build(self, use, name=""):
        made = use.component(use.settings, self)
        made.open()
        self.built.append(made)
        return made

    def release(self, component):
        if component in self.built:
            self.built.remove(component)
            component.close()

    def spawn(self, function, *args, name=""):
        return Task(self._own(Greenlet.spawn(function, *args)))

    def _own(self, greenlet):
        self.greenlets.append(greenlet)
        return greenlet

    @staticmethod
    def offload(function, *args, **kwargs):
        return gevent.get_hub().threadpool.apply(function, args, kwargs)

    def listen(self, address: Address) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address.host, address.port))
        except OSError as error:
            sock.close()
            raise StartError(f"{address} is taken") from error
        sock.listen()
        return sock

    def share(self, token: str, serve_one) -> None:
        """Offer a share on the overlay: `serve_one(stream)` in a greenlet a connection."""
        self.admin.create_share(token, "env", public=True, config={})
        listener = self.overlay.node(self.identity().document).bind(token)
        self.listeners.append(listener)
        self._own(Greenlet.spawn(self._accept, listener, serve_one))

    def _accept(self, listener, serve_one):
        with contextlib.suppress(StreamError):
            while True:
                stream, _ = listener.accept()
                self.streams.append(stream)
                self._own(Greenlet.spawn(self._one, serve_one, stream))

    @staticmethod
    def _one(serve_one, stream):
        with contextlib.suppress(StreamError):
            serve_one(stream)
        stream.close()

    def identity(self) -> Identity:
        return self.admin.create_frontend("public")

    def close(self):
        for listener in self.listeners:
            listener.close()
        gevent.killall(self.greenlets)
        for stream in self.streams:
            stream.close()


class Task:
    def __init__(self, greenlet):
        self._greenlet = greenlet

    def kill(self):
        self._greenlet.kill()

    def join(self, timeout_s=None):
        self._greenlet.join(timeout_s)
        return self._greenlet.dead

    @property
    def done(self):
        return self._greenlet.dead


def speaks(text: bytes):
    """A share that answers every request with `text` and the fields it saw."""

    def answer(exchange):
        seen = b"\n".join(b": ".join(field) for field in exchange.head.fields)
        exchange.respond(200, (), text + b"\n" + seen)

    return lambda stream: serve(stream, answer, HttpLimits())


def echoes(stream):
    """A share that gives everything back, then says goodbye."""
    while data := stream.recv(65536, WAIT_S):
        stream.send(data)
    stream.send(b"bye")


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    yield made
    made.close()


@pytest.fixture
def controller(host, monkeypatch):
    made = FakeController(host.identity())

    def connect(url, token, *, verify):
        made.asked.append((url, token.reveal(), verify))
        return made

    monkeypatch.setattr(role_module, "Controller", connect)
    return made


@pytest.fixture
def start(host, controller):
    roles = []

    def started(serve_too=True, **settings):
        role = FrontendRole(public(**settings) if "listen" not in settings else make(**settings), host)
        roles.append(role)
        role.open()
        if serve_too:
            role.serve()
        return role

    yield started
    for role in roles:
        role.close()
        role.close()


def use(component, settings=None) -> Use:
    made = Use(use=component.name)
    made.resolve(component, settings or component.Settings())
    return made


FORWARDED = use(ForwardedFilter, ForwardedSettings())


def make(**settings) -> FrontendSettings:
    return FrontendSettings(**{"filters": [FORWARDED], "gates": {}, **settings})


def public(**settings) -> FrontendSettings:
    return make(**{"listen": LOCAL, "controller": "http://controller", "token": Secret("t"), **settings})


def address(role) -> Address:
    return role._entrance._listeners[-1].address


class Client:
    """A visitor's connection."""

    def __init__(self, where: Address) -> None:
        self.stream, self.got = connect(where, WAIT_S), b""

    def ask(self, host: str, *more: str, path: str = "/") -> tuple[int, bytes]:
        self.stream.send("\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *more, "", ""]).encode())
        head = self.until(b"\r\n\r\n")
        length = next((int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.startswith(b"Content-Length")), 0)
        while len(self.got) < length:
            self._more()
        body, self.got = self.got[:length], self.got[length:]
        return int(head.split(b" ")[1]), body

    def until(self, mark: bytes) -> bytes:
        while mark not in self.got:
            self._more()
        before, _, self.got = self.got.partition(mark)
        return before + mark

    def _more(self) -> None:
        data = self.stream.recv(65536, WAIT_S)
        assert data, f"ended after {self.got!r}"
        self.got += data

    def rest(self) -> bytes:
        """What comes up to the end, however it ends; but it must end."""
        try:
            while data := self.stream.recv(65536, WAIT_S):
                self.got += data
        except StreamTimeout:
            raise
        except StreamError:
            return self.got
        return self.got


def ask(where: Address, host: str, *more: str) -> tuple[int, bytes]:
    client = Client(where)
    try:
        return client.ask(host, *more)
    finally:
        client.stream.close()


def knows(role, *hosts: str) -> None:
    eventually(lambda: all(role._entrance._names.table.lookup(host) for host in hosts), "the names never came")


# -- public shares ---


def test_the_module_provides_it():
    assert role_frontend.zrokd_provide_roles() == [FrontendRole]
    assert (FrontendRole.slot, FrontendRole.name) == ("role", "frontend")


def test_a_visitor_reaches_a_share_by_its_name(host, controller, start):
    host.share("tok-a", speaks(b"I am a"))
    controller.name("a.zone", "tok-a")
    role = start()
    knows(role, "a.zone")
    status, body = ask(address(role), "A.zone:8080")
    assert status == 200
    assert body.startswith(b"I am a\n")
    assert b"X-Forwarded-For: 127.0.0.1" in body
    assert role.health().ok
    assert role.health().detail == "1 name"


def test_health_counts_names(controller, start):
    for host in ("a.zone", "b.zone"):
        controller.name(host, "tok")
    role = start()
    knows(role, "a.zone", "b.zone")
    eventually(lambda: role.health().detail == "2 names")
    controller.go_away()
    eventually(lambda: "serving 2 names, " in role.health().detail)


def test_names_that_come_in_pages_are_taken_whole(controller, start, monkeypatch):
    def page(version, *mappings, following=""):
        return MappingChanges(epoch="e1", version=version, full=True, mappings=mappings, next=following)

    pages = {
        "": page(1, Mapping(version=1, host="a.z", token="tok-a"), following="e1/1"),
        "e1/1": page(2, Mapping(version=2, host="b.z", token="tok-b")),
    }
    asked, counted = [], []

    def mappings(epoch, since, wait_s):
        asked.append(epoch)
        if epoch in pages:
            counted.append(len(role._entrance._names.table))
            return pages[epoch]
        controller.bell.wait(controller.bell.version, wait_s)
        return MappingChanges(epoch="e1", version=2, full=False, mappings=())

    monkeypatch.setattr(controller, "mappings", mappings)
    role = start()
    eventually(lambda: len(asked) == 3)
    assert asked == ["", "e1/1", "e1"] and counted == [0, 0]
    assert role.health().detail == "2 names"


def test_names_that_come_and_go_are_followed(host, controller, start):
    host.share("tok-a", speaks(b"a"))
    role = start()
    eventually(lambda: controller.waiting)
    assert ask(address(role), "a.zone")[0] == 404
    controller.name("a.zone", "tok-a")
    knows(role, "a.zone")
    assert ask(address(role), "a.zone")[0] == 200
    controller.name("a.zone", "")
    eventually(lambda: ask(address(role), "a.zone")[0] == 404)


def test_a_share_that_nobody_serves_is_502_at_once_and_200_when_it_is_back(host, controller, start):
    host.admin.create_share("tok-a", "env", public=True, config={})
    controller.name("a.zone", "tok-a")
    controller.name("b.zone", "tok-unknown")
    role = start()
    knows(role, "a.zone", "b.zone")
    began = time.monotonic()
    assert ask(address(role), "a.zone")[0] == 502
    assert ask(address(role), "b.zone")[0] == 502
    assert time.monotonic() - began < 1.0
    host.share("tok-a", speaks(b"back"))
    assert ask(address(role), "a.zone")[0] == 200


def test_the_visitors_of_a_deleted_share_are_cut(host, controller, start):
    def websocket(stream):
        stream.recv(65536, WAIT_S)
        stream.send(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + ACCEPT + b"\r\nhello")
        stream.recv(65536, 4 * WAIT_S)

    host.share("tok-a", websocket)
    controller.name("a.zone", "tok-a")
    role = start()
    knows(role, "a.zone")
    client = Client(address(role))
    client.stream.send(
        b"GET / HTTP/1.1\r\nHost: a.zone\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    client.until(b"hello")
    controller.name("a.zone", "")
    assert client.rest() == b""
    client.stream.close()


def test_without_names_and_without_controller_it_is_503_and_not_ready(controller, start):
    controller.away = True
    role = start()
    assert ask(address(role), "a.zone")[0] == 503
    eventually(lambda: "does not answer" in role.health().detail)
    assert not role.health().ok


def test_it_finds_the_controller_when_that_comes_up_later(host, controller, start):
    host.share("tok-a", speaks(b"a"))
    controller.name("a.zone", "tok-a")
    controller.away = True
    role = start()
    eventually(lambda: role.health().detail)
    controller.away = False
    knows(role, "a.zone")
    assert ask(address(role), "a.zone")[0] == 200
    assert role.health().ok


def test_it_serves_from_disk_while_the_controller_is_away(host, controller, start):
    host.share("tok-a", speaks(b"a"))
    controller.name("a.zone", "tok-a")
    first = start()
    knows(first, "a.zone")
    first.close()
    for kept in ("names.json", "identity.json"):
        assert stat.S_IMODE((host.state_dir / kept).stat().st_mode) == 0o600
    controller.away = True
    second = start()
    assert ask(address(second), "a.zone")[0] == 200
    eventually(lambda: "from disk" in second.health().detail)
    assert second.health().ok


def test_names_are_on_disk_soon_after_they_change_so_that_a_killed_one_loses_nothing(host, controller, start):
    role = start()
    eventually(lambda: controller.waiting)
    controller.name("late.zone", "tok-l")
    names = host.state_dir / "names.json"
    eventually(lambda: names.exists() and "late.zone" in names.read_text())
    assert role.health().ok


def test_what_changed_just_before_the_end_is_on_disk_too(host, controller, start):
    role = start()
    names = host.state_dir / "names.json"
    for number in range(3):
        controller.name(f"n{number}.zone", "tok-n")
        knows(role, f"n{number}.zone")
        eventually(lambda number=number: number or names.exists())
    role.close()
    assert "n2.zone" in names.read_text()


def test_damaged_state_is_no_reason_not_to_start(host, controller, start, caplog):
    (host.state_dir / "names.json").write_text("garbage")
    (host.state_dir / "identity.json").write_text('{"z_id": "x", "document": "not an identity"}')
    host.share("tok-a", speaks(b"a"))
    controller.name("a.zone", "tok-a")
    role = start()
    knows(role, "a.zone")
    assert ask(address(role), "a.zone")[0] == 200
    assert "damaged" in caplog.text
    assert "cannot be used" in caplog.text


def test_another_store_behind_the_controller_makes_it_ask_who_it_is_again(controller, start):
    controller.name("a.zone", "tok-a")
    role = start()
    knows(role, "a.zone")
    eventually(lambda: controller.waiting)
    assert controller.asked_identity == 1
    controller.epoch, controller.changes, controller.version = "e2", {}, 0
    controller.name("b.zone", "tok-b")
    knows(role, "b.zone")
    eventually(lambda: controller.asked_identity == 2)
    assert role._entrance._names.table.lookup("a.zone") is None


def test_a_restart_of_the_controller_is_one_line_away_and_one_line_back(controller, start, caplog):
    caplog.set_level(logging.INFO)
    role = start()
    eventually(lambda: controller.waiting)
    controller.go_away()
    eventually(lambda: role._entrance._names.feed.away)
    controller.away = False
    eventually(lambda: not role._entrance._names.feed.away)
    lines = [message for message in caplog.messages if "controller" in message]
    assert len(lines) == 2, lines


def test_a_share_may_choose_a_gate(host, controller, start):
    host.share("tok-a", speaks(b"secret"))
    controller.name("a.zone", "tok-a", Gating(gate="basic", config={"users": []}))
    role = start(gates={"basic": use(BasicGate, BasicSettings())})
    knows(role, "a.zone")
    assert ask(address(role), "a.zone")[0] == 401
    assert ask(address(role), "a.zone", "Authorization: Basic YTpi")[0] == 401


# -- private accesses ---


@pytest.fixture
def enabled(host, tmp_path, controller):
    folder = tmp_path / "env"
    identity = host.admin.create_environment("me")
    EnvironmentFile(folder).save(
        EnabledEnvironment(controller="http://controller", account_token=Secret("t"), identity=identity)
    )
    return str(folder)


def private(share: str, **more) -> AccessSettings:
    return AccessSettings(**{"share": share, "listen": LOCAL, **more})


def test_an_http_share_is_reached_by_a_port_of_this_host(host, controller, start, enabled):
    host.share("tok-p", speaks(b"private"))
    role = start(listen=None, environment=enabled, accesses=[private("tok-p")])
    ((token, where),) = host.ready
    assert token == "tok-p"
    status, body = ask(parse_address(where), "localhost:9191")
    assert status == 200
    assert b"Host: localhost:9191\n" in body
    assert b"X-Forwarded-For: 127.0.0.1" in body
    assert list(controller.accesses.values()) == [("tok-p", where)]
    assert role.health().ok
    role.close()
    assert controller.accesses == {}
    assert controller.closed


def test_a_tcp_share_is_relayed_with_half_close(host, controller, start, enabled):
    host.share("tok-t", echoes)
    controller.modes["tok-t"] = "tcp"
    role = start(listen=None, environment=enabled, accesses=[private("tok-t")])
    client = Client(parse_address(host.ready[0][1]))
    client.stream.send(b"anything but HTTP")
    client.stream.send_eof()
    assert client.rest() == b"anything but HTTPbye"
    client.stream.close()
    eventually(lambda: host.connections)
    (told,) = host.connections
    assert (told.share_token, told.rx_bytes, told.tx_bytes, told.outcome) == ("tok-t", 17, 20, "ok")
    (sample,) = role._meter.take()
    assert (sample.share_token, sample.rx_bytes, sample.tx_bytes) == ("tok-t", 17, 20)


def test_a_raw_connection_to_a_share_that_is_down_ends_at_once_and_is_told(host, controller, start, enabled, caplog):
    controller.modes["tok-t"] = "tcp"
    start(listen=None, environment=enabled, accesses=[private("tok-t")])
    with contextlib.suppress(StreamError):  # it may have ended before we were quite connected
        client = Client(parse_address(host.ready[0][1]))
        assert client.rest() == b""
        client.stream.close()
    eventually(lambda: host.connections)
    assert host.connections[0].outcome != "ok"
    assert "tok-t" in caplog.text


@pytest.mark.parametrize(
    ("mode", "http", "relayed"),
    [("proxy", False, True), ("tcp", True, False), ("web", None, False), ("socks", None, True)],
)
def test_whether_it_speaks_http_is_the_modes_to_say_and_the_operators_to_correct(
    host, controller, start, enabled, mode, http, relayed
):
    host.share("tok-x", echoes if relayed else speaks(b"x"))
    controller.modes["tok-x"] = mode
    start(listen=None, environment=enabled, accesses=[private("tok-x", http=http)])
    where = parse_address(host.ready[0][1])
    if relayed:
        client = Client(where)
        client.stream.send(b"raw")
        client.stream.send_eof()
        assert client.rest() == b"rawbye"
        client.stream.close()
    else:
        assert ask(where, "x")[0] == 200


def test_one_address_holds_so_many_connections_to_a_tcp_share(host, controller, start, enabled, monkeypatch):
    monkeypatch.setattr("zrokd.proxy.visitors._counted", lambda _host: ipaddress.ip_network("192.0.2.1/32"))
    host.share("tok-t", echoes)
    controller.modes["tok-t"] = "tcp"
    limits = LimitSettings(per_address=1)
    start(listen=None, environment=enabled, accesses=[private("tok-t")], limits=limits)
    where = parse_address(host.ready[0][1])
    first, second = Client(where), Client(where)
    first.stream.send(b"x")
    first.until(b"x")
    assert second.rest() == b""
    first.stream.send(b"y")
    first.until(b"y")
    assert len(host.streams) == 1
    for client in (first, second):
        client.stream.close()


@pytest.mark.parametrize("refusal", [Denied("not granted"), NotFound("no such share, or not yours")])
def test_a_refused_access_stops_the_start_with_its_reason(controller, start, enabled, refusal):
    controller.refuses = refusal
    with pytest.raises(type(refusal), match=str(refusal)):
        start(listen=None, environment=enabled, accesses=[private("tok-p")])


def test_a_refused_access_that_is_not_required_waits_until_it_is_granted(host, controller, start, enabled):
    host.share("tok-p", speaks(b"private"))
    controller.refuses = Denied("not granted")
    role = start(listen=None, environment=enabled, accesses=[private("tok-p", required=False)])
    assert not role.health().ok
    assert "not granted" in role.health().detail
    controller.refuses = None
    eventually(lambda: host.ready)
    assert ask(parse_address(host.ready[0][1]), "x")[0] == 200
    assert role.health().ok


def test_an_access_waits_for_a_controller_that_is_away(host, controller, start, enabled):
    controller.away = True
    role = start(listen=None, environment=enabled, accesses=[private("tok-p")])
    assert not role.health().ok
    controller.away = False
    eventually(lambda: host.ready)
    assert role.health().ok


@pytest.mark.parametrize(("required", "failures"), [(True, ["not granted"]), (False, [])])
def test_an_access_refused_by_a_controller_that_came_back_ends_the_daemon_if_required(
    host, controller, start, enabled, required, failures
):
    controller.away = True
    role = start(listen=None, environment=enabled, accesses=[private("tok-p", required=required)])
    controller.refuses, controller.away = Denied("not granted"), False
    eventually(lambda: "not granted" in role.health().detail)
    assert host.failures == failures
    controller.refuses = None
    if not required:
        eventually(lambda: host.ready)


def test_an_access_of_a_reload_that_is_refused_later_is_logged_and_nothing_ends(
    host, controller, start, enabled, caplog
):
    role = start(environment=enabled)
    controller.away = True
    role.reload(public(environment=enabled, accesses=[private("tok-p")]))
    controller.refuses, controller.away = Denied("not granted"), False
    eventually(lambda: ("ERROR", "not granted") in [(r.levelname, r.getMessage()) for r in caplog.records])
    assert host.failures == []


def test_what_a_killed_process_held_is_given_back_by_the_next(host, controller, start, enabled):
    killed = start(listen=None, environment=enabled, accesses=[private("tok-p")])
    (left,) = controller.accesses
    killed._grants.close()  # as the kernel does
    start(listen=None, environment=enabled, accesses=[private("tok-q")])
    assert left not in controller.accesses
    assert [share for share, _ in controller.accesses.values()] == ["tok-q"]


def test_what_a_living_process_holds_is_not_touched(host, controller, start, enabled):
    start(listen=None, environment=enabled, accesses=[private("tok-p")])
    start(listen=None, environment=enabled, accesses=[private("tok-q")])
    assert sorted(share for share, _ in controller.accesses.values()) == ["tok-p", "tok-q"]


def test_an_environment_that_cannot_be_written_does_no_harm(host, controller, start, enabled, monkeypatch):
    monkeypatch.setattr("zrokd.client.holds.os.access", lambda *_: False)
    killed = start(listen=None, environment=enabled, accesses=[private("tok-p")])
    (left,) = controller.accesses
    killed._grants.close()
    start(listen=None, environment=enabled, accesses=[private("tok-p")])
    assert left not in controller.accesses
    assert list(Path(enabled).iterdir()) == [Path(enabled) / "environment.json"]


@pytest.mark.parametrize(
    ("own", "of_environment", "verify"),
    [("", "", True), ("/ca", "", "/ca"), ("", "/env-ca", "/env-ca"), ("/ca", "/env-ca", "/ca")],
)
def test_the_controller_is_checked_with_the_certificates_of_the_yaml_or_of_the_environment(
    host, controller, start, enabled, own, of_environment, verify
):
    file = EnvironmentFile(Path(enabled))
    file.save(dataclasses.replace(file.load(), ca=of_environment))
    start(environment=enabled, ca=own, accesses=[private("tok-p")])
    assert controller.asked == [("http://controller", "t", own or True), ("http://controller", "t", verify)]


def test_an_access_that_cannot_be_given_back_now_is_given_back_later(host, controller, start, enabled, caplog):
    role = start(listen=None, environment=enabled, accesses=[private("tok-p")])
    controller.away = True
    role.close()
    assert len(controller.accesses) == 1
    assert "stays in the controller's books" in caplog.text
    controller.away = False
    start(listen=None, environment=enabled, accesses=[private("tok-q")])
    assert [share for share, _ in controller.accesses.values()] == ["tok-q"]


def test_a_share_of_datagrams_is_refused_with_a_sentence_and_given_back(controller, start, enabled):
    controller.modes["tok-u"] = "udp"
    with pytest.raises(Invalid, match="datagrams"):
        start(listen=None, environment=enabled, accesses=[private("tok-u")])


def test_a_host_that_is_not_enabled_is_told_what_to_do(tmp_path, controller, start):
    with pytest.raises(StartError, match="zrokd enable"):
        start(listen=None, environment=str(tmp_path / "nowhere"), accesses=[private("tok-p")])


def test_the_environment_may_be_named_by_its_file(host, controller, start, enabled):
    start(listen=None, environment=f"{enabled}/environment.json", accesses=[private("tok-p")])
    assert host.ready


def test_a_taken_port_stops_the_start_before_anything_is_asked_of_the_controller(host, controller, start, enabled):
    taken = host.listen(LOCAL)
    where = Address(host="127.0.0.1", port=taken.getsockname()[1])
    with pytest.raises(StartError):
        start(listen=None, environment=enabled, accesses=[private("tok-p", listen=where)])
    assert controller.accesses == {}
    taken.close()


# -- the end ---


def test_who_drains_follows_no_names_any_more_and_serves_those_it_knows(host, controller, start, caplog):
    host.share("tok-a", speaks(b"a"))
    controller.name("a.zone", "tok-a")
    role = start()
    knows(role, "a.zone")
    visitor = Client(address(role))
    assert visitor.ask("a.zone")[0] == 200
    eventually(lambda: controller.waiting)
    role._entrance.stop()
    controller.go_away()  # as a controller of the same daemon does
    assert visitor.ask("a.zone")[0] == 200
    visitor.stream.close()
    role.drain(1.0)
    assert "does not answer" not in caplog.text


# -- reload ---


class Door(BasicGate):
    """A gate that answers a status of its own."""

    name = "door"

    def open(self):
        self.closed = False

    def close(self):
        self.closed = True

    def check(self, head, route):
        return Respond(418)


class Broken(Door):
    name = "broken"

    def open(self):
        raise StartError("this gate cannot be opened")


def test_new_gates_and_limits_hold_for_open_connections_without_cutting_them(host, controller, start):
    host.share("tok-a", speaks(b"a"))
    controller.name("a.zone", "tok-a", Gating(gate="door"))
    role = start()
    knows(role, "a.zone")
    client = Client(address(role))
    assert client.ask("a.zone")[0] == 503
    role.reload(public(gates={"door": use(Door)}, limits=LimitSettings(per_address=3)))
    assert client.ask("a.zone")[0] == 418
    assert role.settings.limits.per_address == 3
    role.reload(public())
    assert client.ask("a.zone")[0] == 503
    client.stream.close()


def test_a_gate_that_did_not_change_stays_the_same_one(host, start):
    role = start(gates={"door": use(Door)})
    (gate,) = [part for part in host.built if isinstance(part, Door)]
    role.reload(public(gates={"door": use(Door)}, dial_timeout=9.0))
    assert [part for part in host.built if isinstance(part, Door)] == [gate]
    assert not gate.closed
    role.reload(public())
    assert gate.closed
    assert gate not in host.built


def test_a_new_address_is_taken_up_and_those_inside_are_not_cut(host, controller, start):
    host.share("tok-a", speaks(b"a"))
    controller.name("a.zone", "tok-a")
    role = start()
    knows(role, "a.zone")
    before = address(role)
    client = Client(before)
    assert client.ask("a.zone")[0] == 200
    role.reload(public(listen=parse_address("127.0.0.2:0")))
    assert address(role).host == "127.0.0.2"
    assert ask(address(role), "a.zone")[0] == 200
    assert client.ask("a.zone")[0] == 200
    client.stream.close()
    with pytest.raises(StreamError):
        connect(before, WAIT_S)


def test_when_one_thing_cannot_be_had_everything_stays_as_it_was(host, controller, start, enabled):
    role = start(environment=enabled, gates={"door": use(Door)}, accesses=[private("tok-p")])
    before, built, ready, granted = role.settings, list(host.built), list(host.ready), dict(controller.accesses)
    taken = host.listen(parse_address("127.0.0.3:0"))
    busy = Address(host="127.0.0.3", port=taken.getsockname()[1])
    attempts = {
        "port": public(environment=enabled, listen=busy, gates={}, accesses=[private("tok-p")]),
        "gate": public(environment=enabled, gates={"new": use(Door), "broken": use(Broken)}),
        "access port": public(environment=enabled, accesses=[private("tok-q"), private("tok-r", listen=busy)]),
    }
    for what, settings in attempts.items():
        with pytest.raises(StartError):
            role.reload(settings)
        assert role.settings is before, what
        assert host.built == built, what
        assert controller.accesses.keys() == granted.keys(), what
    controller.refuses = Denied("no")
    with pytest.raises(Denied):
        role.reload(public(environment=enabled, accesses=[private("tok-p"), private("tok-q")]))
    assert role.settings is before
    assert ask(parse_address(ready[0][1]), "x")[0] == 502, "the old access still listens"
    taken.close()


def test_accesses_come_and_go(host, controller, start, enabled):
    for token in ("tok-p", "tok-q"):
        host.share(token, speaks(token.encode()))
    role = start(listen=None, environment=enabled, accesses=[private("tok-p")])
    inside = Client(parse_address(host.ready[0][1]))
    assert inside.ask("x")[0] == 200
    role.reload(make(environment=enabled, accesses=[private("tok-q")]))
    assert [share for share, _ in controller.accesses.values()] == ["tok-q"]
    assert ask(parse_address(host.ready[1][1]), "x")[0] == 200
    assert inside.ask("x")[0] == 200, "those inside are not cut"
    with pytest.raises(StreamError):
        connect(parse_address(host.ready[0][1]), WAIT_S)
    inside.stream.close()


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"controller": "http://other"}, "controller"),
        ({"token": Secret("other")}, "token"),
        ({"environment": "/elsewhere"}, "environment"),
        ({"limits": LimitSettings(max_connections=5)}, "limits.max_connections"),
    ],
)
def test_what_only_a_restart_can_change_is_named(start, change, key):
    role = start()
    before = role.settings
    with pytest.raises(RestartNeeded) as needed:
        role.reload(public(**change))
    assert needed.value.keys == (f"roles.frontend.{key}",)
    assert role.settings is before


def test_an_access_that_changes_and_keeps_its_port_needs_a_restart(host, start, enabled):
    free = host.listen(LOCAL)
    where = Address(host="127.0.0.1", port=free.getsockname()[1])
    free.close()
    role = start(listen=None, environment=enabled, accesses=[private("tok-p", listen=where)])
    with pytest.raises(RestartNeeded, match="accesses"):
        role.reload(make(environment=enabled, accesses=[private("tok-p", listen=where, description="new")]))


# -- drain, close, usage ---


def test_a_drain_lets_running_requests_end_and_nobody_new_in(host, controller, start):
    arrived, go = gevent.event.Event(), gevent.event.Event()

    def slow(exchange):
        arrived.set()
        go.wait(WAIT_S)
        exchange.respond(200, (), b"done")

    host.share("tok-a", lambda stream: serve(stream, slow, HttpLimits()))
    controller.name("a.zone", "tok-a")
    role = start()
    knows(role, "a.zone")
    where, busy = address(role), Client(address(role))
    idle = Client(where)
    running = Greenlet.spawn(busy.ask, "a.zone")
    assert arrived.wait(WAIT_S)
    eventually(lambda: role._entrance._listeners[-1].active == 2)
    draining = Greenlet.spawn(role.drain, WAIT_S)
    assert idle.rest() == b""
    with pytest.raises(StreamError):
        connect(where, WAIT_S)
    assert not draining.dead
    go.set()
    assert running.get(timeout=WAIT_S) == (200, b"done")
    draining.get(timeout=WAIT_S)
    for client in (busy, idle):
        client.stream.close()


def test_a_drain_ends_at_its_deadline_and_close_cuts_what_is_left(host, controller, start, enabled):
    host.share("tok-t", echoes)
    controller.modes["tok-t"] = "tcp"
    role = start(listen=None, environment=enabled, accesses=[private("tok-t")])
    client = Client(parse_address(host.ready[0][1]))
    client.stream.send(b"x")
    client.until(b"x")
    began = time.monotonic()
    role.drain(0.1)
    assert time.monotonic() - began < 2.0
    role.close()
    assert client.rest() == b""
    assert len(host.connections) == 1
    client.stream.close()


def test_it_can_be_closed_when_it_was_never_served_or_opened(host, controller, start):
    start(serve_too=False).close()
    FrontendRole(public(), host).close()


class Sink:
    name = "test"

    def __init__(self, fails=False) -> None:
        self.fails, self.batches = fails, []

    def write(self, batch):
        if self.fails:
            raise OSError("disk full")
        self.batches.append(list(batch))


def test_usage_goes_to_every_sink_and_one_that_fails_takes_nothing_from_the_others(host, caplog):
    good, bad, last = Sink(), Sink(fails=True), Sink()
    host.sinks = [good, bad, last]
    meter = Meter(host.now_ms)
    meter.add("tok-a", 3, 5)
    flush(meter, None, host)
    flush(meter, None, host)
    for sink in (good, last):
        ((sample,),) = sink.batches
        assert (sample.share_token, sample.rx_bytes, sample.tx_bytes) == ("tok-a", 3, 5)
    assert "disk full" in caplog.text


def test_the_controller_learns_what_went_through_and_the_last_of_it_at_the_end(host, controller, start):
    host.share("tok-a", speaks(b"a"))
    controller.name("a.zone", "tok-a")
    role = start()
    knows(role, "a.zone")
    _, body = ask(address(role), "a.zone")
    role.close()
    ((_, told),) = controller.reports
    assert told == {"tok-a": (0, len(body))}


def test_a_controller_that_is_away_at_the_end_is_told_nothing_and_the_log_says_so(host, controller, start, caplog):
    host.share("tok-a", speaks(b"a"))
    controller.name("a.zone", "tok-a")
    role = start()
    knows(role, "a.zone")
    ask(address(role), "a.zone")
    controller.go_away()
    caplog.set_level(logging.INFO)
    role.close()
    assert "was not told the last of what went through shares (1)" in caplog.text


def test_the_last_usage_is_handed_over_at_the_end(host, controller, start):
    host.sinks = [Sink()]
    host.share("tok-a", speaks(b"a"))
    controller.name("a.zone", "tok-a")
    role = start()
    knows(role, "a.zone")
    _, body = ask(address(role), "a.zone")
    role.close()
    ((sample,),) = host.sinks[0].batches
    assert (sample.share_token, sample.rx_bytes, sample.tx_bytes) == ("tok-a", 0, len(body))


# -- settings ---


def test_the_defaults_are_those_of_the_http_path_and_every_limit_has_a_key():
    assert LimitSettings().http() == HttpLimits()
    assert LimitSettings().pool() == PoolLimits()
    odd = LimitSettings(**{name: _other(value) for name, value in LimitSettings()})
    for made, default in ((odd.http(), HttpLimits()), (odd.pool(), PoolLimits())):
        same = [f.name for f in dataclasses.fields(made) if getattr(made, f.name) == getattr(default, f.name)]
        assert same == [], f"no key reaches {same}"


def _other(value):
    return 7777 if value is None else type(value)(value + 1)


# What visitors and shares may take where the operator says nothing.
PROMISED = {
    "request_line": 8 * 1024,
    "head_size": 32 * 1024,
    "head_fields": 100,
    "head_time": 10.0,
    "head_time_crowded": 5.0,
    "body_idle": 30.0,
    "body_rate": 256,
    "body_grace": 10.0,
    "write_stall": 60.0,
    "first_byte": 60.0,
    "response_idle": 300.0,
    "stream_idle": 3600.0,
    "keep_alive": 75.0,
    "keep_alive_requests": 1000,
    "pipelined": 8,
    "per_address": 100,
    "share_requests": 128,
    "response_head": 64 * 1024,
    "response_fields": 200,
    "chunk_extension": 1024,
    "chunk_extensions": 16 * 1024,
    "linger_size": 1024 * 1024,
    "linger_time": 5.0,
    "terminator_failures": 3,
    "terminator_rest": 10.0,
}


def test_every_limit_has_the_default_that_was_promised():
    defaults = LimitSettings()
    assert {key: getattr(defaults, key) for key in PROMISED} == PROMISED
    assert FrontendSettings(accesses=[private("tok-p")]).dial_timeout == 5.0
    assert TlsSettings.model_fields["handshake_time"].default == 10.0
    assert TopLevel.model_fields["drain"].default == 30.0


def test_limits_are_written_with_units():
    limits = LimitSettings.model_validate({"head_size": "64KiB", "keep_alive": "2m", "body_size": "1GB"})
    assert (limits.http().head_bytes, limits.http().keep_alive_s, limits.http().body_bytes) == (65536, 120.0, 10**9)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "listen"),
        ({"listen": LOCAL}, "controller"),
        ({"listen": LOCAL, "controller": "http://c"}, "token"),
        ({"accesses": [private("tok-p"), private("tok-p")]}, "twice"),
        ({"accesses": [private("tok-p")], "trusted_proxies": ["nowhere"]}, "nowhere"),
        ({"accesses": [private("tok-p")], "limits": {"per_address": 0}}, "per_address"),
        ({"accesses": [private("tok-p")], "unknown": 1}, "unknown"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, why):
    with pytest.raises(ValidationError, match=why):
        FrontendSettings(**settings)


def test_visitors_are_told_of_by_default():
    settings = FrontendSettings(accesses=[private("tok-p")])
    assert [use.use for use in settings.filters] == ["forwarded"]
    assert {name: use.use for name, use in settings.gates.items()} == {"basic": "basic"}
    assert settings.filters[0] is not FrontendSettings(accesses=[private("tok-p")]).filters[0]


def test_every_key_is_described():
    for model in (FrontendSettings, LimitSettings, AccessSettings):
        assert all(field.description for field in model.model_fields.values())


# -- every limit, reached ---

GET = b"GET / HTTP/1.1\r\nHost: a.zone\r\n\r\n"
HEAD = b"GET / HTTP/1.1\r\nHost: a.zone\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.zone\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def tells(told: bytes):
    """A share that hears a head, says `told`, and nothing more."""

    def share(stream):
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += stream.recv(65536, WAIT_S)
        stream.send(told)
        while stream.recv(65536, 4 * WAIT_S):
            pass

    return share


def limited(host, controller, start, limits: dict, told: bytes = FINE) -> Client:
    """A visitor of a frontend with these limits, before a share that says `told`."""
    host.share("tok-a", tells(told))
    controller.name("a.zone", "tok-a")
    role = start(limits=LimitSettings.model_validate(limits))
    knows(role, "a.zone")
    return Client(address(role))


def everything(client: Client) -> bytes:
    """All that comes until the end, however it ends."""
    with contextlib.suppress(StreamError):
        client.rest()
    client.stream.close()
    return client.got


@pytest.mark.parametrize(
    ("limits", "sent", "status"),
    [
        ({"request_line": "64"}, b"GET /" + b"a" * 64 + b" HTTP/1.1\r\n", 414),
        ({"head_size": "200"}, HEAD + b"X: " + b"a" * 200 + b"\r\n\r\n", 431),
        ({"head_fields": 2}, HEAD + b"X: y\r\n" * 2 + b"\r\n", 431),
        ({"head_time": "50ms"}, HEAD, 408),
        ({"head_time_crowded": "50ms", "max_connections": 1}, HEAD, 408),
        ({"body_size": "2"}, POST + b"Content-Length: 3\r\n\r\nabc", 413),
        ({"body_size": "2"}, CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", 413),
        ({"body_idle": "50ms"}, POST + b"Content-Length: 3\r\n\r\na", 408),
        ({"chunk_extension": "3"}, CHUNKED + b"3;" + b"a" * 40 + b"\r\nabc\r\n0\r\n\r\n", 400),
        ({"chunk_extensions": "5"}, CHUNKED + b"1;aa\r\nx\r\n" * 2 + b"0\r\n\r\n", 400),
        ({"trailers": "10"}, CHUNKED + b"0\r\nA: 3456789\r\n\r\n", 400),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_limit_of_requests_is_reached(host, controller, start, limits, sent, status):
    limits = {"linger_time": "50ms", **limits}
    client = limited(host, controller, start, limits, b"")
    client.stream.send(sent)
    got = everything(client)
    assert got.startswith(b"HTTP/1.1 %d " % status), got
    assert b"Connection: close" in got


def test_a_body_that_trickles_is_refused_after_its_grace(host, controller, start):
    limits = {"body_rate": "1MB", "body_grace": "50ms", "linger_time": "50ms"}
    client = limited(host, controller, start, limits, b"")
    client.stream.send(POST + b"Content-Length: 1000\r\n\r\n")
    with contextlib.suppress(StreamError):
        for _ in range(200):
            client.stream.send(b"x")
            if client.stream.wait_readable(0.01):
                break
    assert everything(client).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("limits", "told", "status"),
    [
        ({"response_head": "100"}, FINE.replace(b"\r\n\r\n", b"\r\nX: " + b"a" * 100 + b"\r\n\r\n"), 502),
        ({"response_fields": 1}, FINE.replace(b"\r\n\r\n", b"\r\nX: y\r\n\r\n"), 502),
        ({"interim_answers": 0}, b"HTTP/1.1 100 Continue\r\n\r\n" + FINE, 502),
        ({"first_byte": "50ms"}, b"", 504),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_limit_of_answers_is_reached(host, controller, start, limits, told, status):
    client = limited(host, controller, start, {"linger_time": "50ms", **limits}, told)
    client.stream.send(GET)
    assert b"HTTP/1.1 %d " % status in everything(client)


EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n:\n\r\n"


@pytest.mark.parametrize(("key", "told"), [("response_idle", FINE.replace(b": 2", b": 3")), ("stream_idle", EVENTS)])
def test_an_answer_that_pauses_too_long_is_cut(host, controller, start, key, told):
    client = limited(host, controller, start, {key: "50ms"}, told)
    client.stream.send(GET)
    got = everything(client)
    assert got.startswith(b"HTTP/1.1 200 ")
    assert not got.endswith(b"0\r\n\r\n")
    eventually(lambda: host.exchanges)
    assert host.exchanges[0].outcome.startswith("upstream: ")


def test_a_visitor_who_takes_nothing_is_cut(host, controller, start):
    endless = FINE.replace(b": 2", b": 100000000") + b"x" * 16_000_000
    client = limited(host, controller, start, {"write_stall": "50ms"}, endless)
    client.stream.send(GET)
    eventually(lambda: host.exchanges)
    assert host.exchanges[0].outcome.startswith("client: ")
    assert host.exchanges[0].tx_bytes < 16_000_000
    client.stream.close()


@pytest.mark.parametrize(("limits", "served"), [({"keep_alive": "50ms"}, 1), ({"keep_alive_requests": 2}, 2)])
def test_a_connection_ends_between_two_requests(host, controller, start, limits, served):
    host.share("tok-a", speaks(b"a"))
    controller.name("a.zone", "tok-a")
    role = start(limits=LimitSettings.model_validate(limits))
    knows(role, "a.zone")
    client = Client(address(role))
    for _ in range(served):
        assert client.ask("a.zone")[0] == 200
    assert client.rest() == b""
    client.stream.close()


@pytest.mark.parametrize(("key", "value"), [("linger_size", "100"), ("linger_time", "50ms")])
def test_what_comes_after_a_refusal_is_read_for_a_while_only(host, controller, start, key, value):
    limits = {"body_size": "10", "linger_size": "100MB", "linger_time": "60s", key: value}
    client = limited(host, controller, start, limits)
    client.stream.send(POST + b"Content-Length: 1000000000\r\n\r\n")
    began = time.monotonic()
    with contextlib.suppress(StreamError):
        while time.monotonic() - began < WAIT_S:
            client.stream.send(b"x" * 1000)
            gevent.sleep(0.001)
    assert time.monotonic() - began < WAIT_S
    client.stream.close()


def test_a_share_has_so_many_requests_at_once_and_then_says_when_to_come_again(host, controller, start):
    first = limited(host, controller, start, {"share_requests": 1}, b"")
    first.stream.send(GET)
    eventually(lambda: host.streams)
    second = Client(Address(*first.stream._sock.getpeername()))
    second.stream.send(GET)
    head = second.until(b"\r\n\r\n")
    assert b"HTTP/1.1 503 " in head
    assert b"Retry-After: 1" in head
    first.stream.close()
    second.stream.close()


def test_a_share_has_so_long_to_take_a_stream(host, controller, start, monkeypatch):
    def dial(_self, _service, *, timeout_s, **_how):
        gevent.sleep(timeout_s)
        raise OverlayTimeout(f"no answer in {timeout_s} s")

    monkeypatch.setattr(LocalNode, "dial", dial)
    controller.name("a.zone", "tok-a")
    role = start(dial_timeout=0.05)
    knows(role, "a.zone")
    client = Client(address(role))
    client.stream.send(GET)
    head = client.until(b"\r\n\r\n")
    assert b"HTTP/1.1 503 " in head
    assert b"Retry-After: " in head
    client.stream.close()


@pytest.mark.parametrize(
    ("limits", "failed"),
    [({"terminator_failures": 1}, {1}), ({}, {3}), ({"terminator_failures": 1, "terminator_rest": "1ms"}, {9, 10})],
)
def test_one_that_fails_is_left_out_for_a_while(host, controller, start, limits, failed):
    """Without a rest every request tries it, once it was first."""
    fails = []
    host.share("tok-a", lambda stream: fails.append(stream.recv(65536, WAIT_S)))
    host.share("tok-a", speaks(b"fine"))
    controller.name("a.zone", "tok-a")
    role = start(limits=LimitSettings.model_validate(limits))
    knows(role, "a.zone")
    for _ in range(10):
        ask(address(role), "a.zone")
        gevent.sleep(0.002)
    assert len(fails) in failed


def test_requests_sent_ahead_are_answered_so_many_in_a_row(host, controller, start):
    controller.name("a.zone", "tok-a")
    role = start(limits=LimitSettings.model_validate({"pipelined": 2}))
    knows(role, "a.zone")
    greedy, other = Client(address(role)), Client(address(role))
    greedy.stream.send(b"GET /greedy HTTP/1.1\r\nHost: b.zone\r\n\r\n" * 40)
    other.stream.send(b"GET /other HTTP/1.1\r\nHost: b.zone\r\n\r\n")
    eventually(lambda: len(host.exchanges) == 41)
    assert [summary.target for summary in host.exchanges].index("/other") <= 4
    greedy.stream.close()
    other.stream.close()


def test_no_more_connections_are_taken_than_may_be(host, controller, start):
    first = limited(host, controller, start, {"max_connections": 1, "pool_each": 0})
    assert first.ask("a.zone")[0] == 200
    second = Client(Address(*first.stream._sock.getpeername()))
    second.stream.send(GET)
    assert not second.stream.wait_readable(0.1), "it waits in the backlog"
    first.stream.close()
    assert b"HTTP/1.1 200 " in second.until(b"\r\n\r\n")
    second.stream.close()


@pytest.mark.parametrize(
    ("limits", "dials"), [({}, 1), ({"pool_each": 0}, 3), ({"pool_total": 0}, 3), ({"pool_idle": "1ms"}, 3)]
)
def test_unused_overlay_streams_are_kept_within_limits(host, controller, start, limits, dials):
    host.share("tok-a", speaks(b"a"))
    controller.name("a.zone", "tok-a")
    role = start(limits=LimitSettings.model_validate(limits))
    knows(role, "a.zone")
    for _ in range(3):
        assert ask(address(role), "a.zone")[0] == 200
        gevent.sleep(0.005)
        role._entrance._pipeline.pool.sweep()
    assert len(host.streams) == dials


@pytest.mark.slow
def test_several_backends_of_a_share_get_requests_in_turn_and_a_dead_one_none(host, controller, start):
    host.share("tok-a", speaks(b"first"))
    host.share("tok-a", speaks(b"second"))
    controller.name("a.zone", "tok-a")
    role = start()
    knows(role, "a.zone")
    with contextlib.closing(Client(address(role)).stream):
        assert Counter(body_of(role) for _ in range(10)) == {b"first": 5, b"second": 5}
        host.listeners[0].close()
        for stream in list(host.streams):
            stream.close()
        assert {body_of(role) for _ in range(10)} == {b"second"}
        host.share("tok-a", speaks(b"third"))
        eventually(lambda: b"third" in {body_of(role) for _ in range(2)}, "a newcomer is found within seconds")


def body_of(role) -> bytes:
    status, body = ask(address(role), "a.zone")
    assert status == 200
    return body.partition(b"\n")[0]


def test_every_limit_of_connections_is_a_key():
    """Each key changes what it is the key of: no two alike, and none without effect."""
    told = LimitSettings.model_validate({name: field.default for name, field in LimitSettings.model_fields.items()})
    assert told.http() == HttpLimits()
    assert told.pool() == PoolLimits()
    keys = set(LimitSettings.model_fields) - {"max_connections", "per_address"}
    assert len(keys) == len(dataclasses.fields(HttpLimits)) + len(dataclasses.fields(PoolLimits))
