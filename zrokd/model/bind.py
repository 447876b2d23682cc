"""Whether a share is reached: what its backends tell of the binds they hold, and what comes of that."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """One share as one backend serves it. Ages, not times: clocks of hosts differ."""

    share_token: str
    ends: int = 0  # how many of it the overlay knows
    why: str = ""  # visitors do not reach it; empty: they do
    since_s: float = 0.0  # how long that has been so
    proven_s: float | None = None  # since somebody's dial came over it; None: none did


@dataclass(frozen=True, slots=True, kw_only=True)
class BindReport:
    """What a backend tells of itself. What it told before and does not name now still stands."""

    env_z_id: str
    backend: str  # the process, by a word of its own
    binds: tuple[Bind, ...] = ()
    gone: tuple[str, ...] = ()  # tokens that it serves no more
    whole: bool = False  # nothing of before stands
    proven_s: float | None = None  # of all binds that dials reach, the age of the oldest proof


class Reach(enum.StrEnum):
    """Whether visitors reach a share."""

    BOUND = "bound"
    BROKEN = "broken"
    UNKNOWN = "unknown"  # no backend tells: it never ran, or is none of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of one share. Times are Unix milliseconds; 0: never, or not known."""

    share_token: str
    env_z_id: str
    reach: Reach = Reach.UNKNOWN
    why: str = ""
    since_ms: int = 0
    proven_at_ms: int = 0
    ends: int = 0
