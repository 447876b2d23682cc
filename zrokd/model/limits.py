"""Limits and usage."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many of each an account may have. -1 is endless."""

    environments: int = -1
    shares: int = -1
    names: int = -1
    accesses: int = -1  # per share, charged to its owner


class LimitAction(enum.StrEnum):
    """What follows when the bytes of a limit class are used up."""

    WARNING = "warning"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitClass:
    """Limits that an account can be put into: of things, or of bytes in a period.

    One with a `backend_mode` decides over the shares of that mode, in place of those without. The bytes that count are
    all of the account's. Source: zrok's rules.
    """

    id: int = 0
    label: str = ""
    backend_mode: str = ""
    limits: Limits = field(default_factory=Limits)
    period_minutes: int = 1440
    rx_bytes: int = -1
    tx_bytes: int = -1
    total_bytes: int = -1
    limit_action: LimitAction = LimitAction.LIMIT
    created_at_ms: int = 0
    updated_at_ms: int = 0

    @property
    def counts_bytes(self) -> bool:
        """Whether it says anything of bytes."""
        return (self.rx_bytes, self.tx_bytes, self.total_bytes) != (-1, -1, -1)

    def used_up(self, rx_bytes: int, tx_bytes: int) -> bool:
        """Whether so many bytes in its period are as many as it lets through."""
        pairs = ((rx_bytes, self.rx_bytes), (tx_bytes, self.tx_bytes), (rx_bytes + tx_bytes, self.total_bytes))
        return any(0 <= most <= used for used, most in pairs)

    @property
    def counts_things(self) -> bool:
        """Whether its numbers of environments, shares, names and accesses hold."""
        return not self.backend_mode and (self.limits != Limits() or not self.counts_bytes)

    @property
    def places(self) -> frozenset[str]:
        """What it takes up: of one account, each place has room for one class. Source: zrok's rule."""
        if self.backend_mode:
            return frozenset([f"the mode {self.backend_mode}"])
        bytes_place = [f"the bytes of action {self.limit_action.value}"] if self.counts_bytes else []
        return frozenset(bytes_place + (["the numbers of things"] if self.counts_things else []))


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrun:
    """Bytes of a limit class that an account has used up, and since when that is known."""

    account_id: int
    class_id: int  # 0: one of the configuration
    mode: str  # whose shares it is about; "": those of modes without a class of their own
    action: LimitAction
    since_ms: int = 0

    @property
    def key(self) -> tuple[int, LimitAction]:
        """What tells it from the account's other ones."""
        return self.class_id, self.action


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSample:
    """Bytes that went to (`tx`) and came from (`rx`) the visitors of a share since the last sample."""

    share_token: str
    rx_bytes: int
    tx_bytes: int
    at_ms: int  # Unix milliseconds, end of the interval

    def plus(self, later: UsageSample) -> UsageSample:
        """Both in one, at the time of the later."""
        return replace(later, rx_bytes=self.rx_bytes + later.rx_bytes, tx_bytes=self.tx_bytes + later.tx_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """What one that counts tells at a time. Its last `batch`, told again, counts once; "" is never the same."""

    reporter: str
    batch: str
    samples: tuple[UsageSample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes in a span of time that ended at `at_ms`: from visitors (`rx`) and to them (`tx`)."""

    rx_bytes: int
    tx_bytes: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What went through something, span by span of `period_s` seconds, oldest first."""

    scope: str  # account | environment | share
    id: str
    period_s: float
    traffic: tuple[Traffic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A plugin's no, with the reason the caller is told."""

    reason: str
    plugin: str = ""
