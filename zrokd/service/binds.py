"""Whether the shares of an account are reached, as the backends that serve them tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from zrokd.errors import Invalid
from zrokd.model.account import Principal
from zrokd.model.bind import Bind, BindReport, Reach, Standing
from zrokd.model.share import Share
from zrokd.service.core import Core, account_of
from zrokd.service.environments import require_environment
from zrokd.service.shares import require_share
from zrokd.store import binds, shares
from zrokd.store.binds import Told

SILENT_S = 9.0  # a backend tells every four seconds that it lives
_KEEP_MS = 24 * 3600 * 1000
_MOST_KEY = 32


class Binds:
    """Reports of backends, and what they come to."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def report(self, report: BindReport, principal: Principal) -> bool:
        """Keep what a backend tells. False: what it told before is not here; it is to tell all.

        Shares that are not of its environment are left out.
        :raises NotFound: no such environment of the account's. :raises Invalid: the backend's word is too long.
        """
        if not 0 < len(report.backend) <= _MOST_KEY:
            raise Invalid(f"backend must have 1 to {_MOST_KEY} characters")
        return self._core.store.write(_keep, report, account_of(principal), self._core.clock.now_ms())

    def list(self, principal: Principal) -> tuple[Standing, ...]:
        """Of all shares of the account's, oldest first."""
        return self._core.store.read(_all, account_of(principal), self._core.clock.now_ms())

    def of_share(self, token: str, principal: Principal) -> Standing:
        """Of one share. :raises NotFound: none of the account's."""
        return self._core.store.read(_one, token, account_of(principal), self._core.clock.now_ms())

    def prune(self) -> int:
        """Forget backends that have been silent for a day. How many."""
        return self._core.store.write(binds.prune, self._core.clock.now_ms() - _KEEP_MS)


def standing(share: Share, told: Iterable[Told], now_ms: int) -> Standing:
    """What is told of a share, together: one backend that is reached is enough."""
    every, fresh = list(told), Standing(share_token=share.token, env_z_id=share.env_z_id)
    if not every:
        return fresh
    oldest_ms = now_ms - round(SILENT_S * 1000)
    good = [one for one in every if not one.why and one.heard_at_ms >= oldest_ms]
    fresh = replace(fresh, proven_at_ms=max(map(_proven_at_ms, every)))
    if good:
        since_ms = min(one.since_ms for one in good)
        return replace(fresh, reach=Reach.BOUND, since_ms=since_ms, ends=sum(one.ends for one in good))
    last = max(every, key=lambda one: one.heard_at_ms)
    if last.why:
        return replace(fresh, reach=Reach.BROKEN, why=last.why, since_ms=last.since_ms, ends=last.ends)
    why = "its backend was not heard of since"
    return replace(fresh, reach=Reach.BROKEN, why=why, since_ms=last.heard_at_ms)


def _proven_at_ms(told: Told) -> int:
    """A bind that is reached was told of once, and is as well proven as all of its backend since."""
    return max(told.proven_at_ms, told.all_proven_at_ms) if told.proven_at_ms and not told.why else told.proven_at_ms


# -- inside of a transaction ---


def _keep(report: BindReport, account_id: int, now_ms: int) -> bool:
    environment = require_environment(report.env_z_id, account_id).id
    proven_at_ms = 0 if report.proven_s is None else now_ms - round(report.proven_s * 1000)
    hear = binds.take if report.whole else binds.hear
    backend = hear(environment, report.backend, now_ms, proven_at_ms)
    if backend is None:
        return False
    told: dict[str, Bind] = {bind.share_token: bind for bind in report.binds}
    rows = binds.ids(environment, [*told, *report.gone])
    binds.put(backend, {rows[token]: bind for token, bind in told.items() if token in rows}, now_ms)
    binds.drop(backend, [rows[token] for token in report.gone if token in rows])
    return True


def _all(account_id: int, now_ms: int) -> tuple[Standing, ...]:
    told: dict[str, list[Told]] = {}
    for one in binds.of_account(account_id):
        told.setdefault(one.share_token, []).append(one)
    return tuple(standing(share, told.get(share.token, ()), now_ms) for share in shares.of_account(account_id))


def _one(token: str, account_id: int, now_ms: int) -> Standing:
    share = require_share(token, account_id)
    return standing(share, binds.of_share(share.id), now_ms)
