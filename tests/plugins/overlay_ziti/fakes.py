"""A router that speaks the wire, and a controller in memory: what a node, its listeners and its channels need."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event
from zrokd_plugins.overlay_ziti.channel import Channel
from zrokd_plugins.overlay_ziti.closings import Closings
from zrokd_plugins.overlay_ziti.edge import Router, Service, Session
from zrokd_plugins.overlay_ziti.frames import Frame, FrameReader, Key, Kind, encode, i32, pack, u32
from zrokd_plugins.overlay_ziti.settings import EdgeSettings

from zrokd.errors import OverlayError, UnknownService

WAIT_S = 10.0


def eventually(check: Any, within_s: float = WAIT_S) -> Any:
    """What `check` returns, once it is true."""
    with gevent.Timeout(within_s):
        while not (found := check()):
            gevent.sleep(0.005)
    return found


class Link:
    """One channel, seen from the router."""

    def __init__(self, router: FakeRouter, sock: Any) -> None:
        self._router, self.sock = router, sock
        self._sequences = itertools.count(1)
        self.dials: dict[int, tuple[Link, Frame, int, bytes]] = {}
        self.greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        reader = FrameReader()
        try:
            while data := self.sock.recv(65536):
                for frame in reader.feed(data):
                    self._router.take(self, frame)
        except OSError:
            return
        finally:
            self.sock.close()
            self._router.gone(self)

    def send(self, kind: int, fields: Any = (), body: bytes = b"") -> int:
        sequence = next(self._sequences)
        try:
            self.sock.sendall(encode(kind, sequence, pack(fields), body))
        except OSError:
            self._router.gone(self)
        return sequence

    def answer(self, frame: Frame, kind: int, fields: Any = (), body: bytes = b"") -> None:
        self.send(kind, [(Key.REPLY, i32(frame.sequence)), *fields], body)

    def close(self) -> None:
        self.sock.close()
        self.greenlet.kill()


class FakeRouter:
    """An edge router with all binds and circuits of its channels. What it does wrong is set on it."""

    def __init__(self, name: str) -> None:
        self.name, self.url = name, f"tls://{name}:3022"
        self.links: list[Link] = []
        self.seen: list[Frame] = []  # everything that came but payloads and acknowledgements
        self.binds: dict[tuple[Link, int], Frame] = {}
        self.circuits: dict[bytes, dict[Link, tuple[Link, int]]] = {}
        self.refusals: list[tuple[bytes, int | None]] = []  # words and code: one for each connect
        self.refuse_binds: list[bytes] = []
        self.is_mute: set[int] = set()  # kinds it does not answer
        self.flow = True
        self.drop_payloads = False
        self.hello: Any = lambda frame: b""
        self._ids = itertools.count(0x8000_0000)
        self._circuits = itertools.count(1)

    def attach(self, sock: Any) -> Link:
        link = Link(self, sock)
        self.links.append(link)
        return link

    def close(self) -> None:
        for link in list(self.links):
            link.close()

    def gone(self, link: Link) -> None:
        if link in self.links:
            self.links.remove(link)
        for key in [key for key in self.binds if key[0] is link]:
            del self.binds[key]

    def kinds(self, kind: int) -> list[Frame]:
        return [frame for frame in self.seen if frame.kind == kind]

    def take(self, link: Link, frame: Frame) -> None:
        if frame.kind in (Kind.PAYLOAD, Kind.ACK):
            self._forward(link, frame)
            return
        self.seen.append(frame)
        if frame.kind in self.is_mute:
            return
        handler = {
            Kind.HELLO: self._hello,
            Kind.LATENCY: lambda link, frame: link.answer(frame, Kind.LATENCY_ANSWER),
            Kind.BIND: self._bind,
            Kind.UNBIND: self._unbind,
            Kind.CONNECT: self._connect,
            Kind.DIAL_OK: self._dialled,
            Kind.DIAL_FAILED: self._failed,
        }.get(Kind(frame.kind))
        if handler is not None:
            handler(link, frame)

    def _hello(self, link: Link, frame: Frame) -> None:
        words = self.hello(frame)
        link.answer(frame, Kind.RESULT, [(Key.OK, b"\x00" if words else b"\x01")], words)

    def _bind(self, link: Link, frame: Frame) -> None:
        conn = (Key.CONN, frame.headers[Key.CONN])
        if self.refuse_binds:
            link.answer(frame, Kind.CLOSED, [conn], self.refuse_binds.pop(0))
            return
        self.binds[link, frame.number(Key.CONN)] = frame
        link.answer(frame, Kind.CONNECTED, [conn])
        link.send(Kind.BIND_OK, [conn])

    def _unbind(self, link: Link, frame: Frame) -> None:
        key = (link, frame.number(Key.CONN))
        if key in self.binds and self.binds[key].body == frame.body:  # by the session that made it only
            del self.binds[key]

    def end_binds(self, words: bytes) -> None:
        """The network takes all binds away."""
        for link, conn in list(self.binds):
            link.send(Kind.CLOSED, [(Key.CONN, u32(conn))], words)
        self.binds.clear()

    def _connect(self, link: Link, frame: Frame) -> None:
        conn = (Key.CONN, frame.headers[Key.CONN])
        name = frame.headers.get(Key.IDENTITY, b"")
        hosts = [key for key, bind in self.binds.items() if bind.headers.get(Key.IDENTITY, b"") == name]
        if self.refusals or not hosts:
            words, code = self.refusals.pop(0) if self.refusals else (b"service x has no terminators", None)
            link.answer(frame, Kind.CLOSED, [conn, *([] if code is None else [(Key.ERROR, u32(code))])], words)
            return
        self.dial(*hosts[0], frame=frame, asker=link)

    def dial(
        self, link: Link, conn: int, fields: Any = (), *, frame: Frame | None = None, asker: Link | None = None
    ) -> int:
        """Dial a bind, as somebody or as nobody in particular; the circuit's number."""
        number, circuit = next(self._ids), b"circuit-%d" % next(self._circuits)
        carried = (
            [(key, frame.headers[key]) for key in (Key.PUBLIC_KEY, Key.CALLER, Key.APP_DATA) if key in frame.headers]
            if frame
            else []
        )
        flow = [(Key.FLOW, b"\x01")] if self.flow else []
        sent = [(Key.CONN, u32(conn)), (Key.ROUTER_IDS, u32(number)), (Key.CIRCUIT, circuit), *flow, *carried, *fields]
        sequence = link.send(Kind.DIAL, sent, b"token")
        if frame is not None and asker is not None:
            link.dials[sequence] = (asker, frame, number, circuit)
        return number

    def _dialled(self, link: Link, answer: Frame) -> None:
        if answer.reply_to not in link.dials:
            return
        asker, frame, number, circuit = link.dials.pop(answer.reply_to)
        self.circuits[circuit] = {asker: (link, number), link: (asker, frame.number(Key.CONN))}
        bind = next(bind for key, bind in self.binds.items() if key[0] is link)
        fields = [(Key.CONN, frame.headers[Key.CONN]), (Key.CIRCUIT, circuit)]
        fields += [(Key.FLOW, b"\x01")] if self.flow else []
        fields += [(Key.PUBLIC_KEY, bind.headers[Key.PUBLIC_KEY])] if Key.PUBLIC_KEY in bind.headers else []
        asker.answer(frame, Kind.CONNECTED, fields)

    def _failed(self, link: Link, answer: Frame) -> None:
        if answer.reply_to in link.dials:
            asker, frame, _, _ = link.dials.pop(answer.reply_to)
            asker.answer(frame, Kind.CLOSED, [(Key.CONN, frame.headers[Key.CONN])], b"dial failed: " + answer.body)

    def _forward(self, link: Link, frame: Frame) -> None:
        ends = self.circuits.get(frame.headers.get(Key.XCIRCUIT, b""))
        if self.drop_payloads or ends is None or link not in ends:
            self.seen.append(frame)
            return
        target, conn = ends[link]
        target.send(frame.kind, [*{**frame.headers, Key.CONN: u32(conn)}.items()], frame.body)


class FakeDialler:
    """Joins channels to fake routers; a router that is down refuses."""

    def __init__(self, ctx: Any, settings: EdgeSettings, routers: dict[str, FakeRouter]) -> None:
        self._ctx, self._settings, self.routers = ctx, settings, routers
        self.down: set[str] = set()
        self.latency_s: dict[str, float] = {}
        self.asked: list[str] = []
        self.hold = Event()
        self.hold.set()

    def connect(self, url: str) -> Channel:
        self.asked.append(url)
        self.hold.wait()
        if url in self.down:
            raise OverlayError(f"router {url} cannot be reached")
        near, far = socket.socketpair()
        self.routers[url].attach(far)
        ctx, closings = self._ctx, Closings(lambda: None, gevent.sleep, self._ctx.log, self._ctx.spawn)
        channel = Channel(near, url, settings=self._settings, closings=closings, log=ctx.log, spawn=ctx.spawn)
        gevent.sleep(0)  # its loops have begun, as after a real hello
        channel.latency_s = self.latency_s.get(url, 0.001)
        return channel


class FakeApi:
    """A controller in memory."""

    def __init__(self, routers: list[FakeRouter]) -> None:
        self.routers_: list[FakeRouter] = routers
        self.services: dict[str, Service] = {}
        self.token, self.generation = "api-1", 1
        self.trouble: OverlayError | None = None
        self.forgotten: list[str] = []
        self.closed = 0
        self.is_revoked = False
        self.on_refresh: Any = lambda: None
        self.back = Event()
        self._sessions: dict[tuple[str, str], Session] = {}
        self._numbers = itertools.count(1)

    def make(self, name: str, *, encrypted: bool = True, permissions: tuple[str, ...] = ()) -> None:
        self.services[name] = Service(f"id-{name}", name, encrypted, {}, frozenset(permissions))

    def service(self, name: str) -> Service:
        if self.trouble is not None:
            raise self.trouble
        if name not in self.services:
            raise UnknownService(f"no service {name!r}")
        return self.services[name]

    def session(self, name: str, kind: str) -> Session:
        self.service(name)
        if (name, kind) not in self._sessions:
            routers = tuple(Router(router.name, router.url) for router in self.routers_)
            number = next(self._numbers)
            self._sessions[name, kind] = Session(f"s{number}", f"{kind}-{number}", routers)
        return self._sessions[name, kind]

    def routers(self, name: str, kind: str) -> tuple[Router, ...]:
        session = self.session(name, kind)
        routers = tuple(Router(router.name, router.url) for router in self.routers_)
        self._sessions[name, kind] = replace(session, routers=routers)
        return routers

    def forget(self, name: str, kind: str | None = None) -> None:
        self.forgotten.append(name)
        self._sessions = {key: session for key, session in self._sessions.items() if key[0] != name}

    def refresh(self) -> None:
        self.on_refresh()
        if self.trouble is not None:
            raise self.trouble
        if self.is_revoked:
            self.is_revoked = False
            self.authenticate()

    def authenticate(self, seen: int | None = None) -> str:
        self.generation += 1
        self.token = f"api-{self.generation}"
        self._sessions.clear()
        return self.token

    def wait_back(self, timeout_s: float) -> None:
        self.back.wait(timeout_s)

    def close(self) -> None:
        self.closed += 1
