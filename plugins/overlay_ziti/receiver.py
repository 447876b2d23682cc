"""The receiving half of a stream's flow control."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct, pack

from . import frames
from .flow import DEFAULT_LIMITS, FULL, Flags, FlowError, FlowLimits
from .frames import Key, u32

_NUMBERS = Struct("<iIIiIH")  # bytes held and stamp, as header fields
_LAST = Flags.END | Flags.EOF
_WITHHELD_MOST = 1024  # sequences in one acknowledgement


@dataclass(frozen=True, slots=True)
class Ack:
    """What is to be sent: packed headers and body."""

    headers: bytes
    body: bytes


class Receiver:
    """Puts payloads in order, each once, and says what to acknowledge.

    Once more is held than the cap, acknowledgements are withheld, as a sender whose every payload is acknowledged
    sends on. When half is read, what was withheld is acknowledged, with the true size. Ends are always acknowledged.
    """

    __slots__ = (
        "_acked",
        "_due",
        "_early",
        "_early_bytes",
        "_expected",
        "_prefix",
        "_stamp",
        "_withheld",
        "full",
        "held_bytes",
        "limits",
    )

    def __init__(self, *, circuit: bytes, connection: int, hosting: bool, limits: FlowLimits = DEFAULT_LIMITS) -> None:
        fields = [(Key.XCIRCUIT, circuit), (Key.CONN, u32(connection))]
        if hosting:
            fields.append((Key.XFLAGS, u32(Flags.TERMINATOR)))
        self._prefix = frames.pack(fields)
        self.limits = limits
        self._expected = 0
        self._early: dict[int, tuple[int, bytes]] = {}
        self._due: list[int] = []
        self._withheld: dict[int, None] = {}
        self._acked = self._stamp = 0
        self.full = False
        self.held_bytes = self._early_bytes = 0

    def payload(self, sequence: int, flags: int, body: bytes, stamp: int) -> list[tuple[int, bytes]]:
        """Take one payload; what can be given on now: (flags, body), in order, each once.

        :raises FlowError: the peer sends on although we hold far too much.
        """
        if sequence < self._expected or sequence in self._early:
            # Ours was lost; or it is withheld, and then an old one tells that we live and are full.
            self._due.append(self._acked if sequence in self._withheld else sequence)
            return []
        self._hold(len(body))
        self._note(sequence, flags, stamp)
        if sequence != self._expected:
            self._early[sequence] = (flags, body)
            self._early_bytes += len(body)
            return []
        self._expected += 1
        ready = [(flags, body)]
        while self._early and (following := self._early.pop(self._expected, None)):
            ready.append(following)
            self._early_bytes -= len(following[1])
            self._expected += 1
        return ready

    def _hold(self, size: int) -> None:
        self.held_bytes += size
        if self.held_bytes > self.limits.hard_cap:
            raise FlowError(f"the peer sent {self.held_bytes} bytes that nobody reads")

    def _note(self, sequence: int, flags: int, stamp: int) -> None:
        if self.full and not flags & _LAST:
            self._withheld[sequence] = None
            return
        if self.held_bytes > self.limits.receive_cap:
            self.full = True  # this one is acknowledged still, and says so
        self._due.append(sequence)
        self._acked = sequence
        self._stamp = stamp

    def read(self, size_bytes: int) -> None:
        """The application took this many bytes of what `payload` gave."""
        self.held_bytes -= size_bytes
        # What came too early cannot be read before what is missing: that is sent again only to who is not full.
        if self.full and (self.held_bytes - self._early_bytes) * 2 <= self.limits.receive_cap:
            self.full = False
            self._stamp = 0
            self._due.extend(self._withheld or [self._acked])  # any, to carry the size
            self._withheld.clear()

    @property
    def has_ack(self) -> bool:
        """Whether `take_ack` has something."""
        return bool(self._due)

    def take_ack(self) -> Ack | None:
        """The acknowledgement due now, or None."""
        if not self._due:
            return None
        due, self._due = self._due[:_WITHHELD_MOST], self._due[_WITHHELD_MOST:]
        held = FULL if self.full else self.held_bytes
        headers = self._prefix + _NUMBERS.pack(Key.HELD, 4, held, Key.STAMP, 2, self._stamp)
        self._stamp = 0
        return Ack(headers, pack(f">{len(due)}i", *due))
