"""What the operator sets for one account: its limit classes, and whether its visitors are warned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from zrokd.errors import Conflict, Invalid, NotFound
from zrokd.model.limits import LimitClass
from zrokd.service.checks import check_email, check_text, check_word
from zrokd.service.core import Core
from zrokd.store import accounts, audit, grants, limit_classes, mappings, receipts

_SOME = 100  # shares in one transaction
_MOST_BYTES = 2**62
_MOST_COUNT = 2**31 - 1


class Privileges:
    """Limit classes and skip-interstitial grants."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create_class(self, limit_class: LimitClass) -> LimitClass:
        """A new one. :raises Invalid: a number is out of range. :raises Conflict: the label is taken."""
        checked, now_ms = _checked(limit_class), self._core.clock.now_ms()
        return self._core.change("limit_class.created", checked.label, lambda: _add(checked, now_ms))

    def delete_class(self, class_id: int) -> None:
        """Take it away; nobody is in it any more. :raises NotFound: no such class."""
        self._core.change("limit_class.deleted", str(class_id), lambda: _remove(class_id))

    def classes(self, label: str = "") -> tuple[LimitClass, ...]:
        """Those with this label; without one, all."""
        return self._core.store.read(limit_classes.labelled, label)

    def applied(self, email: str) -> tuple[LimitClass, ...]:
        """Those the account is in. :raises NotFound: no such account."""
        return self._core.store.read(lambda: limit_classes.applied(_account(email)))

    def apply(self, email: str, ids: Sequence[int]) -> None:
        """Put the account into these classes, too. Idempotent.

        :raises NotFound: no such account or class. :raises Conflict: two would say the same thing in different ways.
        """
        self._core.store.write(_apply, email, ids)

    def take_out(self, email: str, ids: Sequence[int]) -> None:
        """Take the account out of these classes. Idempotent. :raises NotFound: no such account."""
        self._core.change(
            "limit_class.taken_out",
            "",
            lambda: limit_classes.take_out(_account(email), ids),
            account=check_email(email),
            ids=list(ids),
        )

    def skips_interstitial(self, email: str) -> bool:
        """Whether the account's visitors are not warned. :raises NotFound: no such account."""
        return self._core.store.read(lambda: grants.skips(_account(email)))

    def grant_skip(self, email: str) -> None:
        """Do not warn the account's visitors. Idempotent. :raises NotFound: no such account."""
        now_ms = self._core.clock.now_ms()
        self._skip("granted", email, lambda account_id: grants.grant_skip(account_id, now_ms))

    def revoke_skip(self, email: str) -> None:
        """Take that back. Idempotent. :raises NotFound: no such account."""
        self._skip("revoked", email, grants.revoke_skip)

    def _skip(self, what: str, email: str, change: Callable[[int], None]) -> None:
        """Change the grant, then tell frontends. Who asks again after a failure goes on with what is left."""

        def work() -> int:
            account_id = _account(email)
            change(account_id)
            return account_id

        core = self._core
        account_id = core.change(f"skip_interstitial.{what}", "", work, account=check_email(email))
        while core.store.write(mappings.warn_some, account_id, _SOME, core.clock.now_ms()):
            core.bell.ring()
        core.bell.ring()


def _apply(email: str, ids: Sequence[int]) -> None:
    account_id = _account(email)
    wanted = limit_classes.by_ids(ids)
    if len(wanted) != len(set(ids)):
        raise NotFound("no such limit class")
    together = {one.id: one for one in (*limit_classes.applied(account_id), *wanted)}
    taken = Counter(place for one in together.values() for place in one.places)
    for place, times in taken.items():
        if times > 1:
            raise Conflict(f"the account would be in two limit classes for {place}")
    limit_classes.apply(account_id, ids)
    audit.note("limit_class.applied", account=check_email(email), ids=list(ids))


def _remove(class_id: int) -> None:
    if not limit_classes.remove(class_id):
        raise NotFound("no such limit class")


def _account(email: str) -> int:
    account = accounts.by_email(check_email(email))
    if account is None:
        raise NotFound("no such account")
    return account.id


def _checked(one: LimitClass) -> LimitClass:
    check_text(one.label, "label", 64)
    if not one.label:
        raise Invalid("a limit class needs a label")
    if one.backend_mode:
        check_word(one.backend_mode, "mode")
    counts = (one.limits.environments, one.limits.shares, one.limits.names, one.limits.accesses)
    if not all(-1 <= number <= _MOST_COUNT for number in counts):
        raise Invalid("a number of things is -1 (endless), or 0 and more")
    if not all(-1 <= number <= _MOST_BYTES for number in (one.rx_bytes, one.tx_bytes, one.total_bytes)):
        raise Invalid("a number of bytes is -1 (endless), or 0 and more")
    if not 1 <= one.period_minutes <= 366 * 1440:
        raise Invalid("a period is 1 minute to a year")
    return one


def _add(limit_class: LimitClass, now_ms: int) -> LimitClass:
    made = replace(limit_class, id=limit_classes.add(limit_class, now_ms))
    receipts.made(made)
    return made
