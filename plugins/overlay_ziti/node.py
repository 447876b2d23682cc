"""One identity's handle on a Ziti network."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass

import gevent

from zrokd.contracts import Context, Health, Listener, Node, Stream, Task
from zrokd.errors import NoTerminator, OverlayError, OverlayTimeout, UnknownService

from .channel import Channel
from .channels import Channels
from .crypto import METHOD, CryptoError, KeyPair
from .dialled import DialledStream
from .dialler import Dialler
from .edge import EdgeApi, Service
from .flow import FlowLimits
from .frames import Frame, Key, Kind, u32
from .identity import IdentityFile
from .listener import ZitiListener
from .lookout import Lookout
from .opened import Opened
from .pace import Pace
from .prober import Prober
from .pulse import keep_asking
from .reach import DIAL_S, Reach
from .refusals import is_absent, is_stale, is_unknown, words_of
from .settings import EdgeSettings

_HOST_BYTES = 8
_STALL_PART = 0.75  # of the time that others may be held up; the rest is for the network, to let them go on
_LATE_S = 0.5  # after an unbind some still dial; without an answer of ours they would wait for 5 s


class ZitiNode(Node):
    """Dials and binds as one identity."""

    def __init__(self, identity: IdentityFile, api: EdgeApi, settings: EdgeSettings, ctx: Context) -> None:
        self._api, self._settings, self._ctx = api, settings, ctx
        dialler = Dialler(identity, api, settings, ctx.log, ctx.spawn)
        self._channels = Channels(dialler, settings, ctx.log, ctx.spawn)
        self._limits = FlowLimits(receive_cap=settings.receive_cap)
        self._patient = FlowLimits(
            receive_cap=settings.foreign_cap,
            hard_cap=2 * settings.foreign_cap,
            stall_s=_STALL_PART * settings.stall_limit,
        )
        self._listeners: set[ZitiListener] = set()
        self._reach: defaultdict[str, Reach] = defaultdict(Reach)
        self._paces: defaultdict[str, Pace] = defaultdict(Pace)  # by router
        self._pulse: Task | None = None
        self._asking: Task | None = None  # for routers, of which none could be reached
        self._watches: list[Task] = []  # over what is bound
        self._closed = False

    def dial(
        self,
        service: str,
        *,
        terminator: str | None = None,
        timeout_s: float = 5.0,
        caller: str = "",
        app_data: bytes = b"",
    ) -> Stream:
        """A stream to somebody who binds `service`. `caller` and `app_data` are told to the host as they are."""
        wishes = _Wishes(terminator or "", caller, app_data)
        try:
            with gevent.Timeout(timeout_s, _TooLate):
                return self._dial(service, wishes, timeout_s)
        except _TooLate:
            raise OverlayTimeout(f"service {service!r} did not answer within {timeout_s:g} s") from None

    def _dial(self, service: str, wishes: _Wishes, timeout_s: float) -> Stream:
        reach, began = self._reach[service], time.monotonic()
        until, answer_s = began + timeout_s, DIAL_S if reach.is_silent(began) else self._settings.answer_timeout
        for last in (False, True):
            found = self._api.service(service)
            channel = self._channel(service, until)
            session = self._api.session(service, "Dial")  # to connect may have taken a new API session
            left_s = until - time.monotonic()
            try:
                attempt = _Attempt(channel, found, wishes, session.token, min(left_s, answer_s))
                channel.check()
            except OverlayError:
                if last or channel.alive:
                    raise
                continue  # it died under us, and nothing was sent on the stream yet
            if attempt.opened is not None:
                reach.heard()
                channel.closings.answered()
                return self._stream(channel, found, attempt.opened)
            self._api.forget(service)
            if last or not attempt.stale:
                break
        raise attempt.refusal(expected=reach.expects(time.monotonic(), self._channels.disturbed_at))

    def _channel(self, service: str, until: float) -> Channel:
        """To the nearest router that can be reached. When none can, the next dial knows where they are by now."""
        try:
            return self._channels.pick(self._api.session(service, "Dial").routers, until - time.monotonic())
        except OverlayTimeout:
            if self._asking is None or self._asking.done:
                self._asking = self._ctx.spawn(self._ask_for_routers, service, name="ziti routers of a dial")
            raise

    def _ask_for_routers(self, service: str) -> None:
        try:
            self._api.routers(service, "Dial")
        except OverlayError as error:
            self._ctx.log.debug("the routers of %s cannot be asked for: %s", service, error)

    def _stream(self, channel: Channel, service: Service, opened: Opened) -> DialledStream:
        peer, reach = f"ziti:{service.name}", self._reach[service.name]
        stream = DialledStream(channel, opened, self._patient, peer, known=self._limits, reach=reach)
        stream.begin()
        if self._pulse is None:
            self._pulse = self._ctx.spawn(keep_asking, self._channels, name="ziti pulse")
        return stream

    def bind(self, service: str, *, terminator: str | None = None) -> Listener:
        """Serve `service`."""
        listener = ZitiListener(
            service,
            terminator,
            api=self._api,
            channels=self._channels,
            settings=self._settings,
            limits=self._limits,
            paces=self._paces,
            log=self._ctx.log,
            spawn=self._ctx.spawn,
            on_close=self._listeners.discard,
        )
        self._listeners.add(listener)
        try:
            listener.open()
        except BaseException:
            listener.close()
            raise
        if not self._watches:
            prober = Prober(self._listeners, self._api, self._settings, self._ctx.log, self._ctx.spawn)
            lookout = Lookout(self._listeners, self._ctx.log)
            self._watches = [
                self._ctx.spawn(prober.run, name="ziti probes"),
                self._ctx.spawn(lookout.run, name="ziti routers"),
            ]
        return listener

    def health(self) -> Health:
        """Whether the network's controller answers and knows us; asked every few seconds once we have dialled."""
        return self._api.health()

    def close(self) -> None:
        """Close what was bound through it. Channels close with their last stream."""
        listeners = list(self._listeners)
        while self._watches:
            self._watches.pop().kill()
        for task in [self._ctx.spawn(listener.close, name="unbind") for listener in listeners]:
            task.join()
        if self._closed:
            return
        self._closed = True
        if not listeners:
            self._channels.retire()
        if self._channels.closed:
            self._give_back()
            return
        self._ctx.spawn(self._end, name="end of a ziti node")
        gevent.sleep(0)  # what was not begun and is killed closes nothing

    def _end(self) -> None:
        try:
            if not self._channels.retired:
                gevent.sleep(_LATE_S)
                self._channels.retire()
            self._channels.wait_closed()
        finally:
            self._give_back()

    def _give_back(self) -> None:
        """What streams need that live on; not before the last has ended."""
        for task in (self._pulse, self._asking):
            if task is not None:
                task.kill()
        self._api.close()


class _TooLate(BaseException):
    """The limit of a dial; not to be taken for anything else on its way up."""


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What a dial says beside the service."""

    terminator: str
    caller: str
    app_data: bytes


class _Attempt:
    """One connect message and what the router answered."""

    def __init__(self, channel: Channel, service: Service, wishes: _Wishes, token: str, timeout_s: float) -> None:
        self._service, self._channel = service, channel
        self._pair = KeyPair() if service.encrypted else None
        self._id = channel.next_id()
        self._answer = channel.request(Kind.CONNECT, self._fields(wishes), token.encode(), timeout_s)
        self.opened = self._opened(self._answer) if self._answer.kind == Kind.CONNECTED else None

    def _fields(self, wishes: _Wishes) -> list[tuple[int, bytes]]:
        fields: list[tuple[int, bytes]] = [(Key.CONN, u32(self._id)), (Key.FLOW, b"\x01")]
        if self._pair is not None:
            fields += [(Key.PUBLIC_KEY, self._pair.public), (Key.CRYPTO, METHOD)]
        told = ((Key.IDENTITY, wishes.terminator.encode()), (Key.CALLER, wishes.caller.encode()))
        return fields + [field for field in (*told, (Key.APP_DATA, wishes.app_data)) if field[1]]

    def _opened(self, answer: Frame) -> Opened:
        keys, circuit = None, answer.headers.get(Key.CIRCUIT, b"")
        public = answer.headers.get(Key.PUBLIC_KEY, b"")
        if self._pair is not None:
            try:
                keys = self._pair.dialler_keys(public)
            except CryptoError as error:
                self._channel.close_circuit(circuit)
                words = f"service {self._service.name!r} is to be encrypted, and its host sent no key that can be used"
                raise OverlayError(words) from error
        flow, host = answer.flag(Key.FLOW), public[:_HOST_BYTES].hex()
        return Opened(connection=self._id, circuit=circuit, hosting=False, flow=flow, keys=keys, host=host)

    @property
    def stale(self) -> bool:
        """Whether a fresh session may help."""
        return is_stale(self._answer)

    def refusal(self, *, expected: bool) -> OverlayError:
        """Why there is no stream. `expected`: whoever serves it is thought to be back in a moment."""
        words, name = words_of(self._answer), self._service.name
        if is_absent(self._answer):
            if expected:
                return OverlayError(f"whoever serves {name!r} was cut off, and is not back yet: {words}")
            return NoTerminator(f"nobody serves {name!r} now: {words}")
        if is_unknown(self._answer):
            return UnknownService(f"no service {name!r}, or not ours: {words}")
        return OverlayError(f"the network refused to dial {name!r}: {words}")
