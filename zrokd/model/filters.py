"""What somebody wants to see of a list. A field left out wants everything."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field

from zrokd.model.environment import Environment
from zrokd.model.share import Access, Share

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Count:
    """A number compared with another, such as `>= 5`."""

    sign: str
    number: int

    def takes(self, count: int) -> bool:
        """Whether `count` is such a number."""
        return _COMPARE[self.sign](count, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When something was made and changed last, in Unix milliseconds, both ends included."""

    created_after_ms: int | None = None
    created_before_ms: int | None = None
    updated_after_ms: int | None = None
    updated_before_ms: int | None = None

    def take(self, created_at_ms: int, updated_at_ms: int) -> bool:
        """Whether it was then."""
        return _within(created_at_ms, self.created_after_ms, self.created_before_ms) and _within(
            updated_at_ms, self.updated_after_ms, self.updated_before_ms
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Whether bytes went through in the last `within_s` seconds."""

    wanted: bool | None = None
    within_s: float = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFilter:
    """Which environments."""

    times: Times = field(default_factory=Times)
    activity: Activity = field(default_factory=Activity)
    description: str = ""
    host: str = ""
    address: str = ""
    remote_agent: bool | None = None
    has_shares: bool | None = None
    has_accesses: bool | None = None
    share_count: Count | None = None
    access_count: Count | None = None

    def takes(self, environment: Environment, shares: int, accesses: int, *, active: bool) -> bool:
        """Whether one that has so many shares and accesses is wanted."""
        return (
            self.times.take(environment.created_at_ms, environment.updated_at_ms)
            and _contains(environment.description, self.description)
            and _contains(environment.host, self.host)
            and _same(environment.address, self.address)
            and self.remote_agent in (None, environment.remote_agent)
            and self.has_shares in (None, shares > 0)
            and self.has_accesses in (None, accesses > 0)
            and (self.share_count is None or self.share_count.takes(shares))
            and (self.access_count is None or self.access_count.takes(accesses))
            and self.activity.wanted in (None, active)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareFilter:
    """Which shares."""

    times: Times = field(default_factory=Times)
    activity: Activity = field(default_factory=Activity)
    env_z_id: str = ""
    share_mode: str = ""
    mode: str = ""
    permission: str = ""
    token: str = ""
    target: str = ""

    def takes(self, share: Share, *, active: bool) -> bool:
        """Whether this one is wanted."""
        return (
            self.times.take(share.created_at_ms, share.updated_at_ms)
            and _same(share.env_z_id, self.env_z_id)
            and _same(share.share_mode.value, self.share_mode)
            and _same(share.mode, self.mode)
            and _same(share.permission.value, self.permission)
            and _contains(share.token, self.token)
            and _contains(share.target, self.target)
            and self.activity.wanted in (None, active)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFilter:
    """Which accesses."""

    times: Times = field(default_factory=Times)
    env_z_id: str = ""
    share_token: str = ""
    bind_address: str = ""
    description: str = ""

    def takes(self, access: Access) -> bool:
        """Whether this one is wanted."""
        return (
            self.times.take(access.created_at_ms, access.updated_at_ms)
            and _same(access.env_z_id, self.env_z_id)
            and _same(access.share_token, self.share_token)
            and _contains(access.bind_address, self.bind_address)
            and _contains(access.description, self.description)
        )


def _within(at_ms: int, after_ms: int | None, before_ms: int | None) -> bool:
    return (after_ms is None or at_ms >= after_ms) and (before_ms is None or at_ms <= before_ms)


def _contains(text: str, part: str) -> bool:
    return part.lower() in text.lower()


def _same(text: str, wanted: str) -> bool:
    return wanted in ("", text)
