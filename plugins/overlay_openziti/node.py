"""The contract's node over a worker: dials, listeners that come back with a new worker, and a probe of the way in."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress

import gevent
from gevent.event import AsyncResult, Event
from gevent.queue import Queue

from zrokd.contracts import Caller, Context, Health, Listener, Node, Stream
from zrokd.errors import NoTerminator, OverlayError, OverlayTimeout, StreamClosed, UnknownService
from zrokd.model.units import Secret
from zrokd.net.stream import SocketStream

from .assistant import Assistant
from .talk import PROBE

_SERVICE_UNAVAILABLE, _TIMEOUT = -17, -19  # of ziti_errorstr
_BIND_S = 15.0
_BACKLOG = 128
_FAILED_PROBES = 2
_FAILED_DIALS = 3  # in a row, by time-out, and none succeeded: the library's channel stands still


class OpenzitiNode(Node):
    """One identity, in one worker."""

    def __init__(self, identity: Secret, ctx: Context, *, probe_every_s: float, most_streams: int) -> None:
        self._ctx, self._probe_every_s, self._most_streams = ctx, probe_every_s, most_streams
        self._listeners: dict[int, OpenzitiListener] = {}
        self._streams = 0
        self._gives_back = False  # a listener was closed: its end of the network goes with the worker only
        self._timeouts = 0
        self._probed = Event()
        self._closing = Event()
        self._assistant = Assistant(identity, ctx, self._on_event, self._on_started)
        self._prober = ctx.spawn(self._probe, name="openziti-probe")

    def dial(
        self,
        service: str,
        *,
        terminator: str | None = None,
        timeout_s: float = 5.0,
        caller: str = "",  # noqa: ARG002 - OpenZiti's library tells the identity in its place
    ) -> Stream:
        """As the contract says, but that nothing is told of `caller`."""
        if self._closing.is_set():
            raise OverlayError("the node was closed")
        if self._streams >= self._most_streams:
            raise OverlayError(f"{self._most_streams} streams are open, and no more are allowed here")
        descriptor = self._dial(service, terminator or "", timeout_s)
        return self._stream(descriptor, service)

    def _dial(self, service: str, terminator: str, timeout_s: float, data: str = "") -> int:
        """A descriptor. Asks once more after a refresh, when the library does not know the service yet."""
        with gevent.Timeout(timeout_s, OverlayTimeout(f"no answer within {timeout_s:g} s")):
            try:
                for again in (False, True):
                    said, descriptor = self._assistant.ask(
                        "dial", timeout_s, service=service, terminator=terminator, timeout_s=timeout_s, data=data
                    )
                    status = said["status"]
                    if status != _SERVICE_UNAVAILABLE or again:
                        break
                    self._refresh()
            except OverlayTimeout:
                self._timed_out()
                raise
        if status == 0:
            self._timeouts = 0
            return descriptor
        raise self._error(status, said["text"], service)

    def _error(self, status: int, text: str, service: str) -> OverlayError:
        if status == _SERVICE_UNAVAILABLE:
            return UnknownService(f"service {service!r} is not there, or not for this identity")
        if status == _TIMEOUT:
            self._timed_out()
            return OverlayTimeout(f"service {service!r} did not answer: {text}")
        return NoTerminator(f"service {service!r} cannot be reached: {text}")

    def _timed_out(self) -> None:
        self._timeouts += 1
        if self._timeouts >= _FAILED_DIALS:
            self._timeouts = 0
            self._assistant.replace(f"{_FAILED_DIALS} dials in a row had no answer")

    def _refresh(self) -> None:
        self._assistant.ask("refresh", _BIND_S)
        gevent.sleep(0.5)  # the library tells nobody when it has them

    def bind(self, service: str, *, terminator: str | None = None) -> Listener:
        """As the contract says."""
        if self._closing.is_set():
            raise OverlayError("the node was closed")
        made = OpenzitiListener(service, terminator or "", self._unbind)
        for again in (False, True):
            status = self._announce(made)
            if status == 0:
                return made
            if status != _SERVICE_UNAVAILABLE or again:
                break
            self._refresh()
        self._listeners.pop(made.number, None)
        made.lose("it could not be bound")
        if status == _SERVICE_UNAVAILABLE:
            raise UnknownService(f"service {service!r} is not there, or not for this identity")
        raise OverlayError(f"service {service!r} cannot be bound (status {status})")

    def _announce(self, listener: OpenzitiListener) -> int:
        """Have a listener made by the worker; the first status."""
        self._listeners.pop(listener.number, None)
        listener.number = self._assistant.next_number()
        listener.status = AsyncResult()
        self._listeners[listener.number] = listener
        with gevent.Timeout(_BIND_S, OverlayTimeout(self._assistant.trouble or "the bind has no answer")):
            self._assistant.ask("ping", _BIND_S)  # waits for a worker that is ready
            self._assistant.tell(
                "bind", number=listener.number, service=listener.service, terminator=listener.terminator
            )
            return int(listener.status.get())

    def _unbind(self, listener: OpenzitiListener) -> None:
        self._listeners.pop(listener.number, None)
        with suppress(OverlayError):
            self._assistant.tell("unbind", number=listener.number)
        self._gives_back = True
        self._give_back()

    def _give_back(self) -> None:
        """This library leaves the network's end of a closed listener standing; it goes when its worker does."""
        if self._gives_back and not self._streams and not self._listeners:
            self._gives_back = False
            self._assistant.replace("nothing is open, and what was unbound is to leave the network")

    def close(self) -> None:
        """As the contract says; its streams live on as long as this process keeps the worker."""
        if self._closing.is_set():
            return
        self._closing.set()
        for listener in list(self._listeners.values()):
            listener.close()
        self._prober.join(1.0)
        if not self._streams:
            self._assistant.close()

    def health(self) -> Health:
        """As the contract says."""
        return Health(not self._assistant.trouble, self._assistant.trouble)

    # -- what the worker tells ---

    def _on_started(self) -> None:
        for listener in list(self._listeners.values()):
            if listener.bound:
                self._ctx.spawn(self._bind_again, listener, name=f"openziti-bind:{listener.service}")

    def _bind_again(self, listener: OpenzitiListener) -> None:
        try:
            status = self._announce(listener)
        except OverlayError as error:
            self._ctx.log.warning("service %s is not bound again: %s", listener.service, error)
            return
        if status == _SERVICE_UNAVAILABLE:
            self._listeners.pop(listener.number, None)
            listener.lose("its service is gone")

    def _on_event(self, said: dict[str, object], descriptor: int) -> None:
        if "probe" in said:
            self._probed.set()
            return
        listener = self._listeners.get(int(str(said.get("listener", 0))))
        if "status" in said:
            if listener is not None:
                listener.status_is(int(str(said["status"])), str(said.get("text", "")))
        elif listener is None or listener.is_full or self._streams >= self._most_streams:
            os.close(descriptor)
        else:
            stream = self._stream(descriptor, listener.service)
            listener.give(stream, Caller(identity=str(said["caller"])))

    def _stream(self, descriptor: int, service: str) -> Stream:
        self._streams += 1
        return _Counted(socket.socket(fileno=descriptor), service, self._stream_ended)

    def _stream_ended(self) -> None:
        self._streams -= 1
        if self._closing.is_set() and not self._streams:
            self._ctx.spawn(self._assistant.close, name="openziti-close")
        else:
            self._give_back()

    # -- does the way in work ---

    def _probe(self) -> None:
        """Dial one of our own services now and then: a channel of this library can stand still for good."""
        failed = 0
        while not self._closing.wait(self._probe_every_s):
            bound = [listener for listener in self._listeners.values() if listener.bound]
            if not bound or self._assistant.trouble:
                failed = 0
                continue
            failed = 0 if self._arrives(bound[0]) else failed + 1
            if failed >= _FAILED_PROBES:
                failed = 0
                self._assistant.replace("dials of our own do not arrive any more")

    def _arrives(self, listener: OpenzitiListener) -> bool:
        self._probed.clear()
        with suppress(OverlayError):  # a probe is never accepted, so the dial itself fails
            os.close(self._dial_probe(listener))
        return self._probed.wait(0.1) is True

    def _dial_probe(self, listener: OpenzitiListener) -> int:
        wait_s = self._probe_every_s
        said, descriptor = self._assistant.ask(
            "dial",
            wait_s,
            service=listener.service,
            terminator=listener.terminator,
            timeout_s=wait_s,
            data=PROBE.decode() + str(listener.number),
        )
        if descriptor < 0:
            raise NoTerminator(str(said.get("text", "")))
        return descriptor


class OpenzitiListener(Listener):
    """One bound service."""

    def __init__(self, service: str, terminator: str, on_close: Callable[[OpenzitiListener], None]) -> None:
        self.service, self.terminator = service, terminator
        self.number = 0
        self.status: AsyncResult = AsyncResult()  # the worker's first word about it
        self.bound = False
        self._why = ""
        self._on_close = on_close
        self._waiting: Queue[tuple[Stream, Caller] | None] = Queue()
        self._closed = self._lost = False

    @property
    def is_full(self) -> bool:
        """Whether too many wait to be accepted."""
        return len(self._waiting) >= _BACKLOG

    def give(self, stream: Stream, caller: Caller) -> None:
        """One has dialled."""
        self._waiting.put((stream, caller))

    def status_is(self, status: int, text: str) -> None:
        """The worker says so."""
        self.bound = self.bound or status == 0
        self._why = text if status else ""
        if not self.status.ready():
            self.status.set(status)

    def lose(self, why: str) -> None:
        """It will never be bound again."""
        self._lost, self._why = True, why
        self._waiting.put(None)

    def accept(self) -> tuple[Stream, Caller]:
        """As the contract says."""
        if self._closed:
            raise StreamClosed("the listener was closed")
        found = self._waiting.get()
        if found is not None:
            stream, caller = found
            return stream, caller
        self._waiting.put(None)  # for others who wait
        if self._closed:
            raise StreamClosed("the listener was closed")
        raise OverlayError(f"the listener of {self.service} is lost: {self._why}")

    def close(self) -> None:
        """As the contract says."""
        if self._closed:
            return
        self._closed = True
        if not self._lost:
            self._on_close(self)
        while not self._waiting.empty():
            if (waiting := self._waiting.get_nowait()) is not None:
                waiting[0].close()
        self._waiting.put(None)

    def health(self) -> Health:
        """As the contract says."""
        return Health(not self._why and not self._lost, self._why)


class _Counted(SocketStream):
    """Tells when it ends."""

    def __init__(self, sock: socket.socket, peer: str, on_close: Callable[[], None]) -> None:
        super().__init__(sock, peer)
        self._on_close: Callable[[], None] | None = on_close

    def close(self) -> None:
        super().close()
        told, self._on_close = self._on_close, None
        if told is not None:
            told()
