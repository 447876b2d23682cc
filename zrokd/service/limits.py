"""How many of each an account may have. To be asked inside the transaction that adds one."""

from __future__ import annotations

from collections.abc import Callable

from zrokd.errors import LimitReached
from zrokd.model.limits import Limits
from zrokd.model.share import Share
from zrokd.store import accesses, accounts, environments, names, overruns, shares


def room_for_environment(account_id: int, default: Limits, now_ms: int) -> None:
    """Return when the account may have one more. :raises LimitReached: not. :raises NotFound: the account is gone."""
    _room(account_id, "environments", default, lambda: environments.count(account_id), now_ms)


def room_for_share(account_id: int, mode: str, default: Limits, now_ms: int) -> None:
    """Return when the account may have one more of this mode.

    :raises LimitReached: not, or its bytes are used up. :raises NotFound: the account is gone.
    """
    if overruns.limited_modes(account_id, [mode]):
        raise LimitReached(f"the account has used up the bytes that its {mode} shares may have for now")
    _room(account_id, "shares", default, lambda: shares.count(account_id), now_ms)


def room_for_name(account_id: int, default: Limits, now_ms: int) -> None:
    """Return when the account may have one more. :raises LimitReached: not. :raises NotFound: the account is gone."""
    _room(account_id, "names", default, lambda: names.count_reserved(account_id), now_ms)


def room_for_access(share: Share, default: Limits, now_ms: int) -> None:
    """Return when there may be one more onto a share. :raises LimitReached: not, or its owner's bytes are used up."""
    if share.limited:
        raise LimitReached("the share has used up the bytes that it may have for now")
    _room(share.account_id, "accesses", default, lambda: accesses.count(share.id), now_ms)


def _room(account_id: int, kind: str, default: Limits, count: Callable[[], int], now_ms: int) -> None:
    account = accounts.lock(account_id, now_ms)  # whoever else counts waits, so the count stays true until commit
    most: int = getattr(accounts.limits(account_id, default), kind)
    if most >= 0 and not account.limitless and count() >= most:
        whose = "the share may have no more than" if kind == "accesses" else "the account may have no more than"
        raise LimitReached(f"{whose} {most} {kind}")
