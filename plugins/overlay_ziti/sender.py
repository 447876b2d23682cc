"""The sending half of a stream's flow control."""

from __future__ import annotations

from itertools import islice
from struct import Struct, unpack

from .flow import DEFAULT_LIMITS, FIN, FULL, Flags, FlowLimits
from .frames import Key, pack, u32

_NUMBERS = Struct("<iIQiIH")  # sequence and stamp, as header fields
_NUMBERS_FLAGS = Struct("<iIQiIHiII")
_FIN = pack([(Key.XDATA_FLAGS, u32(FIN))])
_REORDERED = 3  # acknowledgements of later payloads that make an earlier one lost
_BURST = 16  # payloads sent again at a time


class Segment:
    """One payload under way: its sequence, its packed headers and its body."""

    __slots__ = ("body", "due_at", "first_at", "flags", "headers", "sequence", "times")

    def __init__(self, sequence: int, flags: int, headers: bytes, body: bytes, first_at: float, due_at: float) -> None:
        self.sequence, self.flags, self.headers, self.body = sequence, flags, headers, body
        self.first_at, self.due_at, self.times = first_at, due_at, 1


class Sender:
    """Numbers payloads, keeps them until they are acknowledged, and says which to send again, and when.

    The window grows with each acknowledgement and shrinks with each loss. A peer that says it is full is left alone,
    but for one payload: its acknowledgement tells when to go on.
    """

    __slots__ = (
        "_limits",
        "_next",
        "_prefix",
        "_round_s",
        "_shrunk_until",
        "_side",
        "_spread_s",
        "_steady_from",
        "_unacked",
        "_window",
        "heard_at",
        "peer_full",
        "resent",
        "unacked_bytes",
    )

    def __init__(self, *, circuit: bytes, connection: int, hosting: bool, limits: FlowLimits = DEFAULT_LIMITS) -> None:
        self._prefix = pack([(Key.XCIRCUIT, circuit), (Key.CONN, u32(connection))])
        self._side = int(Flags.TERMINATOR) if hosting else 0
        self._limits = limits
        self._window = limits.window_first
        self._steady_from = limits.window_most  # from here on the window grows by a payload a round trip
        self._next = 0
        self._unacked: dict[int, Segment] = {}
        self._round_s = self._spread_s = 0.0
        self._shrunk_until = 0  # losses below this sequence belong to one event
        self.heard_at = 0.0
        self.peer_full = False
        self.unacked_bytes = 0
        self.resent = 0

    @property
    def may_send(self) -> bool:
        """Whether another payload may go now."""
        if not self._unacked:
            return True
        return not self.peer_full and self.unacked_bytes < self._window

    @property
    def settled(self) -> bool:
        """Whether everything sent was acknowledged."""
        return not self._unacked

    @property
    def next_due(self) -> float | None:
        """When `due` has something to say next; None when all is acknowledged."""
        return min((segment.due_at for segment in self._unacked.values()), default=None)

    @property
    def unanswered_since(self) -> float | None:
        """Since when nothing was heard of the peer although something is under way, sent twice; None: it is not so."""
        for segment in self._unacked.values():
            return max(self.heard_at, segment.first_at) if segment.times > 1 else None
        return None

    def is_lost(self, now: float) -> bool:
        """Whether nothing at all was heard of the peer for long although something is under way."""
        since = self.unanswered_since
        return since is not None and now - since > self._limits.lost_s

    def push(self, body: bytes, flags: int, now: float) -> Segment:
        """The next payload. That it may be sent is the caller's to ask first; control payloads go in any case."""
        sequence = self._next
        self._next = sequence + 1
        headers = self._headers(sequence, flags | self._side, now)
        segment = Segment(sequence, flags | self._side, headers, body, now, now + self.again_s)
        self._unacked[sequence] = segment
        self.unacked_bytes += len(body)
        return segment

    def abandon(self) -> None:
        """Send nothing of what was sent so far again."""
        self._unacked.clear()
        self.unacked_bytes = 0

    def _headers(self, sequence: int, flags: int, now: float) -> bytes:
        stamp = int(now * 1000) & 0xFFFF or 1
        if not flags:
            return self._prefix + _NUMBERS.pack(Key.XSEQ, 8, sequence, Key.STAMP, 2, stamp)
        packed = _NUMBERS_FLAGS.pack(Key.XSEQ, 8, sequence, Key.STAMP, 2, stamp, Key.XFLAGS, 4, flags)
        return self._prefix + packed + (_FIN if flags & Flags.EOF else b"")

    def ack(self, sequences: bytes, held: int, stamp: int, now: float) -> None:
        """The peer acknowledged `sequences` (int32 big-endian each), and holds `held` bytes.

        `stamp` is 0 when the acknowledgement was withheld for a while and so says nothing about the way.
        """
        self.heard_at = now
        if held == FULL and not self.peer_full:
            self._shrink(self._next - 1)  # or it would fill up, and stand still until it is emptied, again and again
        self.peer_full = held == FULL
        count = len(sequences) // 4
        for sequence in unpack(f">{count}i", sequences[: 4 * count]):
            segment = self._unacked.pop(sequence, None)
            if segment is not None:
                self.unacked_bytes -= len(segment.body)
                self._grow(len(segment.body))
                if stamp and segment.times == 1:
                    self._measure(now - segment.first_at)
            self._notice_loss(sequence, now)

    def due(self, now: float) -> list[Segment]:
        """Payloads to send again now, marked as such: a few at a time, to a full peer the oldest only.

        A full peer has all of them, or reads on before it needs them; what it says of the oldest tells that it lives.
        """
        late: list[Segment] = []
        for segment in islice(self._unacked.values(), 1 if self.peer_full else None):
            if segment.due_at > now:
                if segment.times == 1:
                    break  # what follows was sent later
                continue
            late.append(segment)
            if len(late) == _BURST:
                break
        for segment in late:
            self._again(segment, now)
        return late

    def _again(self, segment: Segment, now: float) -> None:
        if not self.peer_full:
            self._shrink(segment.sequence)
        pause_s = min(self.again_s * 2.0 ** min(segment.times, 8), self._limits.again_most_s)
        segment.times += 1
        segment.due_at = now + pause_s
        segment.headers = self._headers(segment.sequence, segment.flags | Flags.AGAIN, now)
        self.resent += 1

    def _notice_loss(self, acked: int, now: float) -> None:
        if self.peer_full:
            return  # it withholds on purpose
        for segment in self._unacked.values():
            if segment.sequence + _REORDERED > acked or segment.times > 1:
                return
            segment.due_at = now

    @property
    def again_s(self) -> float:
        """How long the peer is given to acknowledge a payload before it is sent again, by what was measured so far."""
        most = self._limits.again_most_s
        return min(max(1.5 * self._round_s + 4 * self._spread_s, self._limits.again_least_s), most)

    def _measure(self, round_s: float) -> None:
        if not self._round_s:
            self._round_s, self._spread_s = round_s, round_s / 2
            return
        self._spread_s += (abs(round_s - self._round_s) - self._spread_s) / 4
        self._round_s += (round_s - self._round_s) / 8

    def _grow(self, size: int) -> None:
        more = size if self._window < self._steady_from else size * size // self._window
        self._window = min(self._window + more, self._limits.window_most)

    def _shrink(self, sequence: int) -> None:
        if sequence >= self._shrunk_until:
            self._shrunk_until = self._next
            self._window = self._steady_from = max(self._window * 3 // 4, self._limits.window_least)
