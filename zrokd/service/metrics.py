"""What went through, over time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from zrokd.errors import Denied, Invalid, NotFound
from zrokd.model.account import Principal
from zrokd.model.limits import Series, Traffic
from zrokd.service.core import Core, account_of
from zrokd.service.environments import require_environment
from zrokd.service.shares import require_share
from zrokd.store import usage
from zrokd.store.usage import Scope

_DAY_S = 86400.0
# How long ago -> in which steps; another time is one step. Source: zrok's metrics
_STEPS_S = {30 * _DAY_S: _DAY_S, 7 * _DAY_S: 4 * 3600.0, _DAY_S: 1800.0}
_LONGEST_S = 3 * 365 * _DAY_S
_SPARK_S, _SPARK_STEP_S = 300.0, 10.0  # Source: zrok's sparklines
_MOST_SPARKS = 100


class Metrics:
    """Bytes of the principal's account, its environments and shares."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def account(self, duration_s: float, principal: Principal) -> Series:
        """Of all its shares, in the last `duration_s` seconds. :raises Invalid: that is too long."""
        account_id = account_of(principal)
        return self._core.store.read(
            lambda: self._series("account", str(account_id), Scope(account_id=account_id), duration_s)
        )

    def environment(self, z_id: str, duration_s: float, principal: Principal) -> Series:
        """The same of one environment. :raises Denied: none of the account's. Source: zrok's status for it."""
        account_id = account_of(principal)
        scope = Scope(account_id=account_id, env_z_id=z_id)
        self._check(lambda: require_environment(z_id, account_id))
        # zrok writes the account's number here, too
        return self._core.store.read(lambda: self._series("environment", str(account_id), scope, duration_s))

    def share(self, token: str, duration_s: float, principal: Principal) -> Series:
        """The same of one share. :raises Denied: none of the account's. Source: zrok's status for it."""
        account_id = account_of(principal)
        scope = Scope(account_id=account_id, share_token=token)
        self._check(lambda: require_share(token, account_id))
        return self._core.store.read(lambda: self._series("share", token, scope, duration_s))

    def sparklines(self, z_ids: Iterable[str], tokens: Iterable[str], principal: Principal) -> tuple[Series, ...]:
        """The last five minutes of environments and shares; those that are not the account's are left out."""
        wanted_envs, wanted_shares = tuple(dict.fromkeys(z_ids)), tuple(dict.fromkeys(tokens))
        if len(wanted_envs) + len(wanted_shares) > 2 * _MOST_SPARKS:
            raise Invalid(f"at most {2 * _MOST_SPARKS} sparklines can be asked for at a time")
        return self._core.store.read(self._sparklines, wanted_envs, wanted_shares, account_of(principal))

    def _check(self, ask: Callable[[], object]) -> None:
        try:
            self._core.store.read(ask)
        except NotFound as error:
            raise Denied(str(error)) from error

    def _series(self, scope: str, id_: str, whose: Scope, duration_s: float) -> Series:
        if not 0 < duration_s <= _LONGEST_S:
            raise Invalid("duration must be more than 0, and at most three years")
        step_s = _STEPS_S.get(duration_s, duration_s)
        return Series(scope=scope, id=id_, period_s=step_s, traffic=self._traffic(whose, duration_s, step_s))

    def _traffic(self, whose: Scope, duration_s: float, step_s: float) -> tuple[Traffic, ...]:
        step_ms = max(1, int(step_s * 1000))
        now_ms = self._core.clock.now_ms()
        until_ms = -(-now_ms // step_ms) * step_ms if duration_s != step_s else now_ms
        return usage.series(whose, until_ms - int(duration_s * 1000), until_ms, step_ms)

    def _sparklines(self, z_ids: tuple[str, ...], tokens: tuple[str, ...], account_id: int) -> tuple[Series, ...]:
        own = [
            ("environment", z_id, Scope(account_id=account_id, env_z_id=z_id))
            for z_id in z_ids
            if _is_own(require_environment, z_id, account_id)
        ]
        own += [
            ("share", token, Scope(account_id=account_id, share_token=token))
            for token in tokens
            if _is_own(require_share, token, account_id)
        ]
        return tuple(self._spark(*one) for one in own)

    def _spark(self, scope: str, id_: str, whose: Scope) -> Series:
        return Series(
            scope=scope, id=id_, period_s=_SPARK_STEP_S, traffic=self._traffic(whose, _SPARK_S, _SPARK_STEP_S)
        )


def _is_own(require: Callable[[str, int], object], id_: str, account_id: int) -> bool:
    try:
        require(id_, account_id)
    except NotFound:
        return False
    return True
