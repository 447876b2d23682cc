"""What both halves of a stream's flow control have in common.

Between the two ends of a circuit each payload carries a number; the receiver acknowledges numbers and says how much it
holds, the sender keeps what is not acknowledged and sends it again. Routers in between may drop, double and reorder.
Nothing here waits or reads a clock: the caller gives the time in seconds.
Source: openziti/sdk-golang `xgress/`.
"""

from __future__ import annotations

from dataclasses import dataclass

from zrokd.errors import StreamError

FIN = 1  # of a data message's flags: the end of a direction, to those who do not know Flags.EOF
FULL = 0xFFFF_FFFF  # "I hold more than you may know": the sender stops


class FlowError(StreamError):
    """The peer does not keep to the flow control."""


class Flags:
    """What a payload says about itself. Plain numbers: those of an enum cost more than the rest of a payload's way."""

    NONE = 0
    END = 1  # of the circuit
    TERMINATOR = 2  # sent by the side that was dialled
    START = 4
    CHUNK = 8
    AGAIN = 16
    EOF = 32  # of the sender's direction
    WAITS = 1 << 29  # with a host's first: it has a flow control, so its streams may wait. Ours alone
    BROKEN = 1 << 30  # with END: given up, and no end. Ours alone; whoever does not know it sees an end


@dataclass(frozen=True, slots=True)
class FlowLimits:
    """Bounds of one stream. Sizes in bytes, times in seconds."""

    window_first: int = 512 * 1024  # sent and not acknowledged, at the beginning
    window_least: int = 16 * 1024
    window_most: int = 1536 * 1024
    receive_cap: int = 256 * 1024  # held and not read: from here on acknowledgements are withheld
    hard_cap: int = 8 * 1024 * 1024  # held and not read: from here on the peer is cut off
    again_least_s: float = 0.2  # before a payload is sent again
    again_most_s: float = 2.0
    lost_s: float = 4.0  # with something under way and nothing heard of the peer, the stream is given up
    stall_s: float = 0.0  # how long it may stand full; 0: as long as it takes


DEFAULT_LIMITS = FlowLimits()
