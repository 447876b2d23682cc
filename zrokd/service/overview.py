"""Everything of an account at a glance."""

from __future__ import annotations

from dataclasses import dataclass

from zrokd.model.account import Principal
from zrokd.model.environment import Environment
from zrokd.model.naming import Name, Namespace
from zrokd.model.share import Access, Share
from zrokd.service.core import Core, account_of
from zrokd.service.environments import require_environment
from zrokd.store import accesses, environments, names, namespaces, overruns, shares


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentView:
    """An environment with what is in it."""

    environment: Environment
    shares: tuple[Share, ...] = ()
    accesses: tuple[Access, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """An account with what is its own."""

    environments: tuple[EnvironmentView, ...] = ()
    names: tuple[Name, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    limited: bool = False  # it has used up its bytes


class Overviews:
    """Overviews of the principal's account."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def of(self, principal: Principal) -> Overview:
        """All of it, as it was at one moment."""
        return self._core.store.read(overview_of, account_of(principal))

    def environment(self, z_id: str, principal: Principal) -> EnvironmentView:
        """One environment of the account's. :raises NotFound: none of the account's."""
        return self._core.store.read(_one, z_id, account_of(principal))


def overview_of(account_id: int) -> Overview:
    """All that the account has, read inside a transaction."""
    return Overview(
        environments=_views(environments.of_account(account_id), account_id),
        names=names.of_account(account_id),
        namespaces=namespaces.usable(account_id),
        limited=overruns.limits_account(account_id),
    )


def _one(z_id: str, account_id: int) -> EnvironmentView:
    return _views((require_environment(z_id, account_id),), account_id)[0]


def _views(known: tuple[Environment, ...], account_id: int) -> tuple[EnvironmentView, ...]:
    its_shares: dict[str, list[Share]] = {one.z_id: [] for one in known}
    its_accesses: dict[str, list[Access]] = {one.z_id: [] for one in known}
    for share in shares.of_account(account_id):
        its_shares.get(share.env_z_id, []).append(share)
    for access in accesses.of_account(account_id):
        its_accesses.get(access.env_z_id, []).append(access)
    return tuple(
        EnvironmentView(environment=one, shares=tuple(its_shares[one.z_id]), accesses=tuple(its_accesses[one.z_id]))
        for one in known
    )
