"""A channel: one TLS connection to one router, shared by many streams and listeners.

One greenlet reads and gives each message to whom it is for; one writes, once a turn of the loop, all that was posted
in it; one sends again what was not acknowledged; one asks a router that keeps silent whether it still lives.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import gevent
from gevent.event import AsyncResult, Event

from zrokd.contracts import Task
from zrokd.errors import OverlayError, OverlayTimeout
from zrokd.net.turns import give_way

from .closings import Closings
from .flow import Flags
from .frames import Frame, FrameReader, Key, Kind, encode, i32, pack
from .progress import Progress
from .sender import Segment
from .settings import EdgeSettings

OUT_CAP = 256 * 1024  # bytes posted and not written; whoever has time waits until there is room
_READ = 64 * 1024
_TURN_S = 0.004  # of reading, before others have their turn: a dial costs as much as a lot of bytes
_AGAIN_EVERY_S = 0.05
_BURST = 48  # messages at a time: a router's queue to whoever reads holds 64, and what does not fit is dropped
_BURST_EVERY_S = 0.001

Spawn = Callable[..., Task]


class Connection(Protocol):
    """What has a connection id on a channel: a stream or a listener. None of these may wait."""

    def on_frame(self, frame: Frame) -> None:
        """A message for it."""

    def on_lost(self, reason: str) -> None:
        """The channel is gone."""


class Circuit(Connection, Protocol):
    """A connection with flow control. None of these may wait."""

    @property
    def hosting(self) -> bool:
        """Whether it was accepted, not dialled."""

    def on_payload(self, frame: Frame) -> None:
        """A payload of its circuit."""

    def on_ack(self, frame: Frame) -> None:
        """An acknowledgement of its circuit."""

    def take_ack(self) -> tuple[bytes, bytes] | None:
        """Headers and body of an acknowledgement that is due."""

    def due(self, now: float) -> list[Segment] | None:
        """What to send again; None when it need not be asked any more."""


class Channel:
    """One connection to one router. Made by `Dialler.connect`, which says hello on it."""

    def __init__(
        self,
        sock: Any,
        router: str,
        *,
        settings: EdgeSettings,
        closings: Closings,
        log: logging.Logger,
        spawn: Spawn,
    ) -> None:
        self.router, self.closings = router, closings
        self.latency_s = 0.0
        self.lost, self.lost_at = "", 0.0  # why it is gone, and since when (time.monotonic())
        self.retired = False  # closes itself when its last connection has ended
        self.connections: dict[int, Connection] = {}
        self._circuits: dict[bytes, tuple[Circuit, ...]] = {}  # both ends of one, when we dialled ourselves
        self._sock, self._settings, self._log = sock, settings, log
        self._ids, self._sequences = itertools.count(1), itertools.count(1)
        self._progress = Progress()
        self._answers: dict[int, AsyncResult[Frame]] = {}
        self._out: list[tuple[int, bytes, bytes]] = []
        self._out_bytes = 0
        self._wake, self._room, self._moves, self._over = Event(), Event(), Event(), Event()
        self._room.set()
        self._moving: set[Circuit] = set()
        self._acking: dict[Circuit, None] = {}
        self._heard_at = time.monotonic()
        name = f"ziti {router}"
        for loop in (self._read, self._write, self._again, self._ping):
            spawn(loop, name=f"{name} {loop.__name__.strip('_')}")

    # -- who is on it ---

    def next_id(self) -> int:
        """A new connection id."""
        return next(self._ids)

    def add(self, connection_id: int, connection: Connection) -> None:
        """Give what comes for this id to `connection`, from now on; its end at once when the channel is gone."""
        if self.lost:
            connection.on_lost(self.lost)
        else:
            self.connections[connection_id] = connection

    def add_circuit(self, circuit_id: bytes, circuit: Circuit) -> None:
        """Give payloads of this circuit to `circuit`, from now on."""
        if not self.lost:
            self._circuits[circuit_id] = (*self._circuits.get(circuit_id, ()), circuit)

    def remove(self, connection_id: int, circuit_id: bytes = b"") -> None:
        """It has ended. Idempotent."""
        gone = self.connections.pop(connection_id, None)
        ends = self._circuits.pop(circuit_id, ())
        for circuit in ends:
            if len(ends) > 1 and circuit is not gone:
                self._circuits[circuit_id] = (circuit,)
                continue
            self._moving.discard(circuit)
            self._acking.pop(circuit, None)
        if self.retired and not self.connections:
            self.close("it is not needed any more")

    def circuits(self) -> list[Circuit]:
        """All that have flow control."""
        return [circuit for ends in self._circuits.values() for circuit in ends]

    def retire(self) -> None:
        """Close as soon as nothing is on it."""
        self.retired = True
        if not self.connections:
            self.close("it is not needed any more")

    def wait_closed(self) -> None:
        """Wait for the end. Switches greenlets."""
        self._over.wait()

    @property
    def load(self) -> int:
        """How many use it, those included that have asked for a connection."""
        return len(self.connections) + len(self._answers)

    @property
    def alive(self) -> bool:
        """Whether it can be used."""
        return not self.lost

    def check(self) -> None:
        """:raises OverlayError: it is gone."""
        if self.lost:
            raise OverlayError(self.lost)

    # -- sending ---

    def post(self, kind: int, headers: bytes, body: bytes = b"") -> None:
        """Send it in this turn of the loop. Never waits."""
        if self.lost:
            return
        self._out.append((kind, headers, body))
        self._out_bytes += len(body)
        if self._out_bytes > OUT_CAP:
            self._room.clear()
        self._wake.set()

    def close_circuit(self, circuit: bytes) -> None:
        """Let the network forget a circuit, once its controller can be told. Never waits."""
        if not self.lost:
            self.closings.add(self, circuit)

    def post_segment(self, segment: Segment, circuit: Circuit) -> None:
        """Send a payload, and again until it is acknowledged."""
        self.post(Kind.PAYLOAD, segment.headers, segment.body)
        self.watch(circuit)

    def watch(self, circuit: Circuit) -> None:
        """Ask `circuit` every now and then what is `due`, until it says None."""
        if circuit not in self._moving:
            self._moving.add(circuit)
            self._moves.set()

    def post_ack(self, circuit: Circuit) -> None:
        """Send its acknowledgement in this turn of the loop, with all that has come up to then."""
        if circuit not in self._acking:
            self._acking[circuit] = None
            self._wake.set()

    @property
    def has_room(self) -> bool:
        """Whether more should be posted by those who can wait."""
        return self._out_bytes <= OUT_CAP

    def wait_room(self, timeout_s: float | None) -> bool:
        """Whether there was room in time. Switches greenlets."""
        return bool(self._room.wait(timeout_s)) or bool(self.lost)

    def request(self, kind: int, headers: Sequence[tuple[int, bytes]], body: bytes, timeout_s: float) -> Frame:
        """Send it and wait for the answer, as long as what was asked before us is answered within the limit.

        :raises OverlayTimeout: no answer in time. :raises OverlayError: the channel is gone.
        """
        self.check()
        sequence = next(self._sequences)
        answer = self._answers[sequence] = AsyncResult()
        self._post_numbered(kind, sequence, headers, body)
        try:
            until = time.monotonic() + timeout_s
            while not answer.ready():
                answer.wait(timeout=max(0.0, until - time.monotonic()))
                if answer.ready() or time.monotonic() < until:
                    continue
                until = self._progress.ahead_of(kind, sequence) + timeout_s
                if time.monotonic() >= until:
                    raise OverlayTimeout(f"router {self.router} did not answer within {timeout_s:g} s")
        finally:
            self._answers.pop(sequence, None)
        found: Frame = answer.get()
        self._progress.answered(kind, sequence)
        return found

    def _post_numbered(self, kind: int, sequence: int, headers: Sequence[tuple[int, bytes]], body: bytes) -> None:
        self._out.append((-1, encode(kind, sequence, pack(headers), body), b""))
        self._wake.set()

    def _write(self) -> None:
        while not self.lost:
            self._wake.wait()
            self._wake.clear()
            out = self._gather()
            try:
                while out:
                    burst, out = out[:_BURST], out[_BURST:]
                    self._sock.sendall(self._encode(burst))
                    self._out_bytes -= sum([len(body) for _, _, body in burst])
                    if self.has_room:
                        self._room.set()
                    if out:
                        gevent.sleep(_BURST_EVERY_S)
            except OSError as error:
                self.close(f"router {self.router} went away: {error.strerror or error}")

    def _gather(self) -> list[tuple[int, bytes, bytes]]:
        acking, self._acking = self._acking, {}
        for circuit in acking:
            while ack := circuit.take_ack():
                self._out.append((Kind.ACK, *ack))
                self._out_bytes += len(ack[1])
        out, self._out = self._out, []
        return out

    def _encode(self, out: list[tuple[int, bytes, bytes]]) -> bytes:
        sequences = self._sequences
        return b"".join(
            [headers if kind < 0 else encode(kind, next(sequences), headers, body) for kind, headers, body in out]
        )

    def _again(self) -> None:
        while self._moves.wait() and not self._over.wait(_AGAIN_EVERY_S):
            now, sent = time.monotonic(), 0
            for circuit in list(self._moving):
                late = circuit.due(now)
                if late is None:
                    self._moving.discard(circuit)
                    continue
                for segment in late:
                    self.post(Kind.PAYLOAD, segment.headers, segment.body)
                sent += len(late)
                if sent >= _BURST:  # what many streams lost at once would only be lost again, all at once
                    gevent.sleep(_BURST_EVERY_S)
                    sent = 0
            if not self._moving:
                self._moves.clear()

    def _ping(self) -> None:
        every_s, limit_s = self._settings.ping_every, self._settings.ping_timeout
        while not self._over.wait(max(self._heard_at + every_s - time.monotonic(), _AGAIN_EVERY_S)):
            began = time.monotonic()
            if began - self._heard_at < every_s:
                continue
            try:
                self.measure(limit_s)
            except OverlayTimeout:
                if time.monotonic() - self._heard_at >= limit_s:
                    self.close(f"router {self.router} keeps silent")
                    return
            except OverlayError:
                return

    def measure(self, limit_s: float) -> None:
        """Ask the router for a sign of life, and note how long it took. :raises OverlayError: as `request`."""
        began = time.monotonic()
        self.request(Kind.LATENCY, [], b"", limit_s)
        self.latency_s = time.monotonic() - began

    # -- receiving ---

    def _read(self) -> None:
        reader, reason, clock, spent_s = FrameReader(), "its reader was ended", time.monotonic, 0.0
        try:
            while True:
                data = self._sock.recv(_READ)
                if not data:
                    raise OverlayError("it closed the channel")
                self._heard_at = began = clock()
                for frame in reader.feed(data):
                    self._take(frame)
                    if spent_s + clock() - began > _TURN_S:
                        give_way()
                        began, spent_s = clock(), 0.0
                spent_s += clock() - began
        except (OSError, OverlayError) as error:
            reason = str(getattr(error, "strerror", None) or error)
        except ValueError:  # how a TLS socket says that it was closed while we were to read on
            if not self.lost:
                raise
        finally:  # however it ends: nobody else closes the socket
            self.close(f"router {self.router} went away: {reason}")

    def _take(self, frame: Frame) -> None:
        kind = frame.kind
        if kind == Kind.PAYLOAD or kind == Kind.ACK:
            ends = self._circuits.get(frame.headers.get(Key.XCIRCUIT, b""), ())
            if len(ends) > 1:
                # The connection's id does not tell: a router 1.6 puts the host's into all frames of such a circuit.
                by_host = bool(frame.number(Key.XFLAGS) & Flags.TERMINATOR)
                ends = tuple([end for end in ends if end.hosting is not by_host])
            for circuit in ends:
                circuit.on_payload(frame) if kind == Kind.PAYLOAD else circuit.on_ack(frame)
        elif (reply_to := frame.reply_to) is not None:
            self._answered(reply_to, frame)
        elif kind == Kind.LATENCY:
            self._answer_latency(frame)
        elif kind == Kind.CIRCUIT_CLOSE:
            for circuit in self._circuits.get(frame.body, ()):
                circuit.on_frame(frame)
        elif (connection := self.connections.get(frame.number(Key.CONN))) is not None:
            connection.on_frame(frame)
        elif kind == Kind.DIAL:  # the network has not noticed yet that it was unbound
            fields = [(Key.CONN, frame.headers.get(Key.CONN, b"")), (Key.REPLY, i32(frame.sequence))]
            self.post(Kind.DIAL_FAILED, pack(fields), b"this service is not served here any more")

    def _answered(self, reply_to: int, frame: Frame) -> None:
        answer = self._answers.get(reply_to)
        if answer is not None:
            answer.set(frame)
        elif frame.kind == Kind.CONNECTED and Key.CIRCUIT in frame.headers:
            self.close_circuit(frame.headers[Key.CIRCUIT])  # whoever dialled did not wait that long

    def _answer_latency(self, frame: Frame) -> None:
        reflected = [
            (key, value) for key, value in frame.headers.items() if Key.REFLECTED_FIRST <= key <= Key.REFLECTED_LAST
        ]
        self.post(Kind.LATENCY_ANSWER, pack([(Key.REPLY, i32(frame.sequence)), *reflected]), frame.body)

    # -- the end ---

    def close(self, reason: str) -> None:
        """Give it up and tell all who are on it. Idempotent; never waits."""
        if self.lost:
            return
        self.lost, self.lost_at = reason, time.monotonic()
        self._log.debug("channel closed: %s", reason)
        for answer in list(self._answers.values()):
            answer.set_exception(OverlayError(reason))
        connections = list(self.connections.values())
        self.connections.clear()
        self._circuits.clear()
        self._moving.clear()
        self._acking.clear()
        for event in (self._over, self._room, self._wake, self._moves):
            event.set()  # the loops see that it is over
        self._sock.close()
        for connection in connections:
            connection.on_lost(reason)
