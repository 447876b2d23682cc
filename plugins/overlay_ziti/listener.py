"""A bound service: one bind on each of its routers, kept up; and the streams that come over them."""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections import defaultdict
from collections.abc import Callable

import gevent
from gevent.event import Event
from gevent.queue import Empty, Full, Queue

from zrokd.contracts import Caller, Health, Listener, Proof, Stream, Task
from zrokd.errors import OverlayError, OverlayTimeout, StreamClosed, StreamError, UnknownService

from .channel import Channel, Spawn
from .channels import Channels
from .crypto import METHOD, KeyPair
from .edge import EdgeApi, Router
from .flow import FlowLimits
from .frames import Frame, Key, Kind, i32, pack, u16, u32
from .opened import Opened
from .pace import Pace
from .settings import EdgeSettings
from .stream import ZitiStream

_WAITING_MOST = 1024  # streams that nobody accepted yet
_FIRST_S = 10.0  # for the first bind
_BOUND_S = 3.0  # for the router to tell the controller
_UNBIND_S = 2.0
_GONE_S = 2.0  # a service that is not there this long is gone for good
_PAUSE_S = (0.2, 5.0)
PROBE = b"zrokd-probe:"  # what we say when we dial ourselves, to see whether others could
_PRECEDENCE = {"default": 0, "required": 1, "failed": 2}


class Bind:
    """One bind on one channel. `name` is what a dial may ask for; "" serves the dials that ask for none."""

    def __init__(self, listener: ZitiListener, channel: Channel, name: str, token: str) -> None:
        self._listener, self.channel, self.name = listener, channel, name
        self.token = token.encode()  # the network ends a bind by the session that made it only
        self.id = channel.next_id()
        self.ended = Event()
        self.bound = Event()  # the controller knows of it
        self.reason = ""
        self.reached_at = self.asked_at = 0.0  # when somebody dialled, and when we did; 0: never
        self.trouble = ""  # why nobody reaches it, as far as our own dials tell
        channel.add(self.id, self)

    def on_frame(self, frame: Frame) -> None:
        """A stream that somebody dials; or the end of the bind."""
        if frame.kind == Kind.DIAL:
            self._listener.on_dial(self, frame)
        elif frame.kind == Kind.BIND_OK:
            self.bound.set()
        elif frame.kind == Kind.CLOSED:
            self.end(frame.body.decode("utf-8", "replace") or "the network ended it")

    def on_lost(self, reason: str) -> None:
        """The channel is gone."""
        self.end(reason)

    def reached(self) -> None:
        """Somebody dialled it."""
        self.reached_at, self.trouble = time.monotonic(), ""

    def unbind(self) -> None:
        """Tell the router. It has no answer to this. Never waits."""
        self.channel.post(Kind.UNBIND, pack([(Key.CONN, u32(self.id))]), self.token)

    def end(self, reason: str) -> None:
        """It serves no more. Idempotent."""
        if not self.ended.is_set():
            self.reason = reason
            self.channel.remove(self.id)
            self.ended.set()
            self.bound.set()


class ZitiListener(Listener):
    """Serves one service. What the network drops is bound again, until the service is gone or we close."""

    def __init__(
        self,
        service: str,
        terminator: str | None,
        *,
        api: EdgeApi,
        channels: Channels,
        settings: EdgeSettings,
        limits: FlowLimits,
        paces: defaultdict[str, Pace],
        log: logging.Logger,
        spawn: Spawn,
        on_close: Callable[[ZitiListener], None],
    ) -> None:
        self.service = service
        self._api, self._channels, self._settings, self._limits = api, channels, settings, limits
        self._paces, self._log, self._spawn, self._on_close = paces, log, spawn, on_close
        self._pair = KeyPair()
        # Ziti gives a dial that asks for no terminator to those without a name only: one with a name binds twice.
        self._ids = {name: secrets.token_hex(12).encode() for name in ([terminator, ""] if terminator else [""])}
        self._waiting: Queue[tuple[Stream, Caller] | None] = Queue(_WAITING_MOST)
        self._binds: dict[str, list[Bind]] = {}
        self._keepers: dict[str, Task] = {}
        self.looked_at = 0.0  # for routers, a time of time.monotonic()
        self._closed, self._gone = False, ""
        self._encrypted = True
        self._first = Event()
        self._trouble = ""

    def open(self) -> None:
        """Bind for the first time. Switches greenlets. :raises OverlayError: no router took it."""
        self.look()
        self._first.wait(_FIRST_S)
        if not self._binds:
            raise OverlayTimeout(self._trouble or f"no router bound service {self.service!r} in time")

    def look(self) -> bool:
        """Bind at routers that came, leave those that went; whether there are any. Switches greenlets.

        :raises OverlayError: the network does not tell.
        """
        self.looked_at = time.monotonic()
        routers = self._api.routers(self.service, "Bind")
        known = {router.url for router in routers}
        came = [router for router in routers if router.url not in self._keepers and not self._closed]
        went = [url for url in self._keepers if routers and url not in known | set(self._binds)]
        for router in came:
            self._keepers[router.url] = self._spawn(self._keep, router, name=f"bind {self.service} {router.name}")
        for url in went:
            self._keepers.pop(url).kill()  # a router that the network does not name and that does not serve us
        return bool(came or went)

    # -- keeping a bind up ---

    def _keep(self, router: Router) -> None:
        pause_s, missing_since = _PAUSE_S[0], 0.0
        while not self._closed:
            try:
                binds = self._bind(router)
            except UnknownService as error:
                missing_since = missing_since or time.monotonic()
                if time.monotonic() - missing_since > _GONE_S:
                    self._lose(str(error))
                    return
                pause_s = _PAUSE_S[0]
            except OverlayError as error:
                self._note(str(error))
            else:
                pause_s, missing_since = _PAUSE_S[0], 0.0
                self._keep_until_lost(router, binds)
            self._api.wait_back(random.uniform(pause_s / 2, pause_s))  # noqa: S311 - no secret
            pause_s = min(pause_s * 2, _PAUSE_S[1])

    def _keep_until_lost(self, router: Router, binds: list[Bind]) -> None:
        self._binds[router.url] = binds
        self._trouble = ""
        self._first.set()
        gevent.wait([bind.ended for bind in binds], count=1)
        del self._binds[router.url]
        reason = next(bind.reason for bind in binds if bind.ended.is_set())
        self._note(f"service {self.service!r} is bound no more at router {router.name}: {reason}")
        if binds[0].channel.alive:  # then the network ended it, and what we know of the service may be old
            self._api.forget(self.service)
        self._drop(binds, reason)

    def _drop(self, binds: list[Bind], reason: str) -> None:
        for bind in binds:
            if not bind.ended.is_set():
                bind.unbind()
                bind.end(reason)

    def _note(self, reason: str) -> None:
        if reason != self._trouble:
            self._log.info("%s; trying again", reason)
        self._trouble = reason

    def _lose(self, reason: str) -> None:
        if not self._closed and not self._gone:
            self._gone = reason
            self._first.set()
            self._wake()

    def _bind(self, router: Router) -> list[Bind]:
        self._encrypted = self._api.service(self.service).encrypted
        channel = self._channels.pick([router], self._settings.connect_timeout)
        session = self._api.session(self.service, "Bind")  # after that: to connect may take a new API session
        binds = [Bind(self, channel, name, session.token) for name in self._ids]
        try:
            for bind in binds:
                self._ask(bind, router)
            for bind in binds:
                bind.bound.wait(_BOUND_S)
        except BaseException:
            self._drop(binds, "it was not made")  # the router may have made it all the same
            raise
        return binds

    def _ask(self, bind: Bind, router: Router) -> None:
        limit_s = self._settings.answer_timeout
        answer = bind.channel.request(Kind.BIND, self._fields(bind), bind.token, limit_s)
        if answer.kind != Kind.CONNECTED:
            bind.end("it was refused")
            self._api.forget(self.service)
            words = answer.body.decode("utf-8", "replace")
            raise OverlayError(f"router {router.name} refused to bind {self.service!r}: {words}")

    def _fields(self, bind: Bind) -> list[tuple[int, bytes]]:
        fields: list[tuple[int, bytes]] = [
            (Key.CONN, u32(bind.id)),
            (Key.FLOW, b"\x01"),
            (Key.ROUTER_IDS, b"\x01"),
            (Key.BIND_OK, b"\x01"),
            (Key.LISTENER, self._ids[bind.name]),
        ]
        if self._encrypted:
            fields += [(Key.PUBLIC_KEY, self._pair.public), (Key.CRYPTO, METHOD)]
        if self._settings.cost:
            fields.append((Key.COST, u16(self._settings.cost)))
        if self._settings.precedence != "default":
            fields.append((Key.PRECEDENCE, bytes([_PRECEDENCE[self._settings.precedence]])))
        if bind.name:
            fields.append((Key.IDENTITY, bind.name.encode()))
        return fields

    # -- streams ---

    def on_dial(self, bind: Bind, frame: Frame) -> None:
        """Somebody dials. The answer goes at once; a router waits for it 5 s only."""
        bind.reached()
        reply = [(Key.CONN, u32(bind.id)), (Key.REPLY, i32(frame.sequence))]
        if frame.headers.get(Key.APP_DATA, b"").startswith(PROBE):
            bind.channel.post(Kind.DIAL_OK, pack([*reply, *_router_id(frame)]), frame.headers.get(Key.ROUTER_IDS, b""))
            return
        try:
            stream, caller = self._accept(bind, frame)
        except StreamError as error:
            bind.channel.post(Kind.DIAL_FAILED, pack(reply), str(error).encode())
            return
        bind.channel.post(Kind.DIAL_OK, pack([*reply, *_router_id(frame)]), u32(stream.id))
        stream.begin()
        self._waiting.put_nowait((stream, caller))

    def _accept(self, bind: Bind, frame: Frame) -> tuple[ZitiStream, Caller]:
        if self._closed or self._waiting.full():
            raise StreamError("the host is closing" if self._closed else "the host is too busy to accept")
        said = frame.text(Key.CALLER)
        caller = Caller(identity=said, address=f"ziti:{bind.channel.router}", said=said)
        keys = None
        if self._encrypted and Key.PUBLIC_KEY in frame.headers:
            keys = self._pair.host_keys(frame.headers[Key.PUBLIC_KEY])
        elif self._encrypted:
            raise StreamError("this service is encrypted, and the caller sent no key")
        opened = Opened(
            connection=frame.number(Key.ROUTER_IDS) or bind.channel.next_id(),
            circuit=frame.headers.get(Key.CIRCUIT, b""),
            hosting=True,
            flow=frame.flag(Key.FLOW),
            keys=keys,
        )
        stream = ZitiStream(bind.channel, opened, self._limits, f"ziti:{caller.identity or self.service}")
        stream.app_data = frame.headers.get(Key.APP_DATA, b"")
        return stream, caller

    def accept(self) -> tuple[Stream, Caller]:
        """The next stream."""
        while True:
            try:
                found: tuple[Stream, Caller] | None = self._waiting.get_nowait()
            except Empty:
                if self._gone:
                    self._wake()
                    raise OverlayError(self._gone) from None
                if self._closed:
                    self._wake()  # another may wait, too
                    raise StreamClosed(f"the listener of {self.service!r} was closed") from None
                found = self._waiting.get()
            if found is not None:
                return found

    def _wake(self) -> None:
        try:
            self._waiting.put_nowait(None)
        except Full:
            return  # whoever accepts does not wait

    def close(self) -> None:
        """Unbind at all routers, and wait a moment until they say so."""
        if self._closed:
            return
        self._closed = True
        self._on_close(self)
        for keeper in self._keepers.values():
            keeper.kill()
        bound = list(self._binds.values())
        ending = [self._spawn(self._unbind, binds, name=f"unbind {self.service}") for binds in bound]
        for task in ending:
            task.join(_UNBIND_S)
        self._refuse_waiting()
        self._wake()

    def health(self) -> Health:
        """Whether at least one router serves it, and leads those who dial to us."""
        troubles = [next(filter(None, map(self._trouble_of, binds)), "") for binds in self._binds.values()]
        if "" in troubles:
            return Health()
        return Health(ok=False, detail=next(iter(troubles), self._trouble or "no router serves it"))

    def _trouble_of(self, bind: Bind) -> str:
        return bind.trouble or self.pace(bind).trouble

    def proof(self) -> Proof:
        """How many routers serve it and told the controller so, and how long ago somebody's dial came over one."""
        binds = self.binds()
        reached_at = max((bind.reached_at for bind in binds), default=0.0)
        return Proof(
            ends=sum(bind.bound.is_set() for bind in binds),
            age_s=time.monotonic() - reached_at if reached_at else None,
        )

    def pace(self, bind: Bind) -> Pace:
        """That of the bind's router."""
        return self._paces[bind.channel.router]

    def binds(self) -> list[Bind]:
        """Those that serve whoever asks for nobody by name, one a router."""
        return [bind for binds in self._binds.values() for bind in binds if not bind.name]

    def _refuse_waiting(self) -> None:
        while not self._waiting.empty():
            found = self._waiting.get_nowait()
            if found is not None:
                found[0].abort()

    def _unbind(self, binds: list[Bind]) -> None:
        channel = binds[0].channel
        for bind in binds:
            bind.unbind()
        try:
            channel.request(Kind.LATENCY, [], b"", _UNBIND_S)  # unbinding has no answer; this one comes after it
        except OverlayError as error:
            self._log.debug("unbinding %s: %s", self.service, error)
        for bind in binds:
            bind.end("it was unbound")


def _router_id(frame: Frame) -> list[tuple[int, bytes]]:
    return [(Key.ROUTER_IDS, frame.headers[Key.ROUTER_IDS])] if Key.ROUTER_IDS in frame.headers else []
