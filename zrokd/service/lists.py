"""What an account has, as far as it wants to see it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from zrokd.model.account import Principal
from zrokd.model.environment import Environment
from zrokd.model.filters import AccessFilter, Activity, EnvironmentFilter, ShareFilter
from zrokd.model.share import Access, Share
from zrokd.service.core import Core, account_of
from zrokd.store import accesses, environments, shares, usage


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSummary:
    """An environment, and how much is in it."""

    environment: Environment
    shares: int
    accesses: int


class Lists:
    """Lists of the principal's account, oldest first."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def environments(self, wanted: EnvironmentFilter, principal: Principal) -> tuple[EnvironmentSummary, ...]:
        """Those that are wanted."""
        return self._core.store.read(_environments, wanted, account_of(principal), self._core.clock.now_ms())

    def shares(self, wanted: ShareFilter, principal: Principal) -> tuple[Share, ...]:
        """Those that are wanted."""
        return self._core.store.read(_shares, wanted, account_of(principal), self._core.clock.now_ms())

    def accesses(self, wanted: AccessFilter, principal: Principal) -> tuple[Access, ...]:
        """Those that are wanted."""
        return self._core.store.read(_accesses, wanted, account_of(principal))


def _environments(wanted: EnvironmentFilter, account_id: int, now_ms: int) -> tuple[EnvironmentSummary, ...]:
    its_shares = shares.of_account(account_id)
    share_counts = Counter(share.env_z_id for share in its_shares)
    access_counts = Counter(access.env_z_id for access in accesses.of_account(account_id))
    tokens = _active(wanted.activity, account_id, now_ms)
    active = {share.env_z_id for share in its_shares if share.token in tokens}
    found = (
        EnvironmentSummary(environment=one, shares=share_counts[one.z_id], accesses=access_counts[one.z_id])
        for one in environments.of_account(account_id)
    )
    return tuple(
        one
        for one in found
        if wanted.takes(one.environment, one.shares, one.accesses, active=one.environment.z_id in active)
    )


def _shares(wanted: ShareFilter, account_id: int, now_ms: int) -> tuple[Share, ...]:
    active = _active(wanted.activity, account_id, now_ms)
    return tuple(share for share in shares.of_account(account_id) if wanted.takes(share, active=share.token in active))


def _accesses(wanted: AccessFilter, account_id: int) -> tuple[Access, ...]:
    return tuple(access for access in accesses.of_account(account_id) if wanted.takes(access))


def _active(activity: Activity, account_id: int, now_ms: int) -> set[str]:
    if activity.wanted is None:
        return set()
    return usage.active_shares(account_id, now_ms - int(activity.within_s * 1000))
