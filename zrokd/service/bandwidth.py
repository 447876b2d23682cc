"""Limits of bytes: who reaches a mark is warned; who has used them up has no visitors until the period allows."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from zrokd.errors import OverlayError
from zrokd.model.account import Account
from zrokd.model.limits import LimitAction, LimitClass, Overrun
from zrokd.model.site import Letter
from zrokd.service import letters
from zrokd.service.core import Core
from zrokd.service.provision import provision_share
from zrokd.service.saga import settle
from zrokd.store import accounts, audit, intents, limit_classes, mappings, outbox, overruns, shares, usage
from zrokd.store.intents import Intent

_LATELY_MS = 10 * 60 * 1000  # a leader that takes over looks as far back
_SOME = 50  # shares changed in a transaction: everybody else's changes wait for its end
_MOST_BARRED = 1000  # in a round

_log = logging.getLogger("zrokd.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How what stands of an account differs from what went through."""

    account: Account
    begun: tuple[tuple[Overrun, LimitClass], ...] = ()
    ended: tuple[Overrun, ...] = ()

    @property
    def letters(self) -> Iterable[Letter]:
        """One for each change; none that warns of what is limited at once, none for the end of a warning."""
        limited = {one.mode for one, _ in self.begun if one.action == LimitAction.LIMIT}
        for one, limit in self.begun:
            if one.action == LimitAction.LIMIT:
                yield letters.to_limited(self.account.email, limit)
            elif one.mode not in limited:
                yield letters.to_warned(self.account.email, limit)
        for one in self.ended:
            if one.action == LimitAction.LIMIT:
                yield letters.to_relaxed(self.account.email, one.mode)

    def __str__(self) -> str:
        told = [f"{one.action} of bytes{_of(one.mode)} reached" for one, _ in self.begun]
        told += [f"{one.action} of bytes{_of(one.mode)} over" for one in self.ended]
        return f"account {self.account.email}: {', '.join(told)}"


class Bandwidth:
    """The operator's sweep, of one controller among those of a database."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def enforce(self) -> tuple[str, ...]:
        """Compare bytes with limits; write to people, let visitors through or not. What changed, as sentences.

        Visitors of public shares are told by the frontends, accesses are taken off the overlay. What fails there is
        done again by the next call. :raises StoreError: not now.
        """
        core, now_ms = self._core, self._core.clock.now_ms()
        found = core.store.read(overruns.to_judge, now_ms - _LATELY_MS, everybody=bool(core.bandwidth))
        verdicts = [verdict for account_id in found if (verdict := self._enforce_one(account_id, now_ms))]
        self._bar()
        return tuple(str(verdict) for verdict in verdicts)

    def _enforce_one(self, account_id: int, now_ms: int) -> Verdict | None:
        core = self._core
        verdict, wrong = core.store.read(self._look, account_id, now_ms)
        if verdict is None and not wrong:
            return None
        verdict = core.store.write(self._settle, account_id, now_ms)
        while core.store.write(_limit_some, account_id, now_ms):
            core.bell.ring()
        core.bell.ring()
        if verdict:
            core.mailbox.ring()
        return verdict

    def _look(self, account_id: int, now_ms: int) -> tuple[Verdict | None, bool]:
        return self._judge(account_id, now_ms), bool(_wrong(account_id))

    def _judge(self, account_id: int, now_ms: int) -> Verdict | None:
        account = accounts.by_id(account_id)
        if account is None:
            return None
        used_up = {} if account.limitless else _used_up(account_id, self._core.bandwidth, now_ms)
        standing = {one.key: one for one in overruns.of_account(account_id)}
        begun = tuple(pair for key, pair in used_up.items() if key not in standing)
        ended = tuple(one for key, one in standing.items() if key not in used_up)
        return Verdict(account=account, begun=begun, ended=ended) if begun or ended else None

    def _settle(self, account_id: int, now_ms: int) -> Verdict | None:
        verdict = self._judge(account_id, now_ms)  # again: another controller may have been faster
        if verdict:
            for one in verdict.ended:
                overruns.end(one)
                audit.note("bytes.relaxed", one.action.value, account=verdict.account.email, mode=one.mode)
            for one, _ in verdict.begun:
                overruns.begin(one)
                audit.note("bytes.reached", one.action.value, account=verdict.account.email, mode=one.mode)
            for letter in verdict.letters:
                outbox.add_ready(letter, now_ms)
        return verdict

    # -- on the overlay ---

    def _bar(self) -> None:
        """Make the overlay let through whom the store lets. What is busy, or fails, is for the next time."""
        for token in self._core.store.read(shares.to_bar, _MOST_BARRED):
            try:
                self._bar_one(token)
            except OverlayError as error:
                _log.warning("share %s is not limited on the overlay as it is to be: %s", token, error)

    def _bar_one(self, token: str) -> None:
        core = self._core
        share = core.store.read(shares.by_token, token)
        if share is None:
            return
        intent = core.store.write(self._claim, token)
        if intent is None:
            return
        try:
            barred = provision_share(core, token, share)
        except BaseException:
            settle(core, intent, lambda: None)
            raise
        settle(core, intent, lambda: shares.note_barred(token, barred=barred))

    def _claim(self, token: str) -> Intent | None:
        """The share is ours to change, unless somebody is at it."""
        core = self._core
        if intents.find(intents.SHARE, token):
            return None
        return intents.begin(intents.REPAIR, intents.SHARE, token, core.worker, core.clock.now_ms())


def governing(applied: Iterable[LimitClass], default: Iterable[LimitClass]) -> tuple[LimitClass, ...]:
    """The classes by which an account's bytes are judged: its own, and defaults for actions that it has none for."""
    own = [one for one in applied if one.counts_bytes]
    actions = {one.limit_action for one in own if not one.backend_mode}
    return (*own, *(one for one in default if one.limit_action not in actions))


def _used_up(
    account_id: int, default: tuple[LimitClass, ...], now_ms: int
) -> dict[tuple[int, LimitAction], tuple[Overrun, LimitClass]]:
    totals: dict[int, tuple[int, int]] = {}
    found = {}
    for one in governing(limit_classes.applied(account_id), default):
        minutes = one.period_minutes
        if minutes not in totals:
            totals[minutes] = usage.total(account_id, now_ms - minutes * 60_000, now_ms)
        if one.used_up(*totals[minutes]):
            overrun = Overrun(
                account_id=account_id, class_id=one.id, mode=one.backend_mode, action=one.limit_action, since_ms=now_ms
            )
            found[overrun.key] = (overrun, one)
    return found


def _wrong(account_id: int) -> list[tuple[str, bool]]:
    """Shares of the account that are limited and should not be, or the other way round; how each should be."""
    every = shares.limits_of_account(account_id)
    limited = overruns.limited_modes(account_id, {mode for _, mode, _ in every})
    return [(token, mode in limited) for token, mode, before in every if before != (mode in limited)]


def _limit_some(account_id: int, now_ms: int) -> bool:
    """Limit, or free, some of the account's shares; whether there may be more."""
    wrong = _wrong(account_id)[:_SOME]
    for wanted in (True, False):
        shares.limit([token for token, limited in wrong if limited == wanted], limited=wanted)
    for token, _ in wrong:
        mappings.sync(token, now_ms)
    return len(wrong) == _SOME


def _of(mode: str) -> str:
    return f" for {mode} shares" if mode else ""
