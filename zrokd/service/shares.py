"""Offer something, and take it back."""

from __future__ import annotations

from typing import Any

from zrokd.errors import NotFound
from zrokd.model.account import Principal
from zrokd.model.naming import new_share_token
from zrokd.model.share import Permission, Share, ShareDraft
from zrokd.service import drafts, limits, removal, saga
from zrokd.service.checks import check_email
from zrokd.service.core import Core, account_of, heed
from zrokd.service.environments import require_environment
from zrokd.service.provision import provision_share
from zrokd.store import audit, intents, mappings, names, receipts, shares
from zrokd.store.intents import Intent


class Shares:
    """Shares of the principal's account."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def share(self, draft: ShareDraft, principal: Principal) -> Share:
        """A new share; or, when a name or token of the draft is held by a share of the same environment, that one.

        A share taken up again keeps its token, and its accesses of those who may still have it; everything else
        becomes as the draft says.
        :raises NotFound: no such environment of the account's, or no such namespace that it may use.
        :raises Conflict: a name is not the account's, or it or the token is held by another environment.
        :raises Invalid: a rule is broken; says which.
        :raises LimitReached: the account may have no more.
        :raises Denied: a plugin refused.
        :raises OverlayError: nothing was kept, or the share taken up is as it was, or an access did not end yet.
        """
        core, account_id = self._core, account_of(principal)
        drafts.check(draft)
        core.store.read(require_environment, draft.env_z_id, account_id)
        heed(core.hooks.review_share(draft, principal))
        removal.go_on(core, intents.SHARE, draft.token)
        intent = core.store.write(self._reserve, draft, account_id)
        share, left = saga.make(
            core,
            intent,
            provision=lambda: provision_share(core, intent.subject, draft),
            commit=lambda _: self._commit(intent, draft, account_id),
            undo=removal.settle_or_abandon,
        )
        core.bell.ring()
        if intent.verb == intents.CREATE:
            core.hooks.on_share_created(share, principal)
        removal.complete_all(core, left, principal)
        return share

    def unshare(self, env_z_id: str, token: str, principal: Principal) -> None:
        """Take a share away, with the accesses onto it. Reserved names stay with the account.

        :raises NotFound: no such share in an environment of the account's.
        :raises OverlayError: nobody reaches it any more; asking again, or the reconciler, finishes.
        """
        left = self._core.store.write(self._leave, env_z_id, token, account_of(principal))
        removal.complete(self._core, left, principal)

    def detail(self, token: str, principal: Principal) -> Share:
        """One of the account's. :raises NotFound: none of the account's."""
        return self._core.store.read(require_share, token, account_of(principal))

    def list(self, principal: Principal) -> tuple[Share, ...]:
        """The account's, oldest first."""
        return self._core.store.read(shares.of_account, account_of(principal))

    def urls(self, token: str, principal: Principal) -> tuple[str, ...]:
        """Where people find it: the URL pattern of each namespace, filled. :raises NotFound: none of the account's."""
        return self._core.store.read(_urls, token, account_of(principal))

    def modify(
        self, token: str, principal: Principal, *, add_grants: tuple[str, ...] = (), remove_grants: tuple[str, ...] = ()
    ) -> None:
        """Change who may have an access; those of others end. Grants are e-mail addresses; doubles count once.

        :raises NotFound: none of the account's. :raises Invalid: what is no address.
        :raises OverlayError: the grants are changed; the reconciler ends what did not end yet.
        """
        left = self._core.store.write(self._modify, token, account_of(principal), add_grants, remove_grants)
        removal.complete_all(self._core, left, principal)

    def _reserve(self, draft: ShareDraft, account_id: int) -> Intent:
        now_ms, worker = self._core.clock.now_ms(), self._core.worker
        environment = require_environment(draft.env_z_id, account_id)
        held = drafts.held_by(draft, account_id)
        if held:
            return intents.begin(intents.REPAIR, intents.SHARE, held.token, worker, now_ms)
        limits.room_for_share(account_id, draft.mode, self._core.limits, now_ms)
        token = draft.token or new_share_token()
        intent = intents.begin(intents.CREATE, intents.SHARE, token, worker, now_ms)
        row = shares.reserve(environment.id, token, draft, now_ms)
        _settle(row, token, draft, account_id, now_ms)
        return intent

    def _commit(
        self, intent: Intent, draft: ShareDraft, account_id: int
    ) -> tuple[Share, tuple[removal.Left, ...]] | None:
        now_ms, share = self._core.clock.now_ms(), shares.by_token(intent.subject, leaving=True)
        if share is None or not shares.make_live(share.id, now_ms):
            return None
        if intent.verb == intents.REPAIR:
            shares.revise(share.id, draft, now_ms)
            _settle(share.id, share.token, draft, account_id, now_ms)
        mappings.sync(share.token, now_ms)
        made = require_share(share.token, account_id)
        audit.note("share.created" if intent.verb == intents.CREATE else "share.changed", made.token, **_told(made))
        receipts.made(made)
        return made, removal.leave_strangers(self._core, made)

    def _modify(
        self, token: str, account_id: int, add: tuple[str, ...], remove: tuple[str, ...]
    ) -> tuple[removal.Left, ...]:
        share = require_share(token, account_id)
        shares.grant(share.id, _addresses(add))
        shares.revoke(share.id, _addresses(remove))
        audit.note("share.granted", share.token, added=list(add), removed=list(remove))
        return removal.leave_strangers(self._core, share)

    def _leave(self, env_z_id: str, token: str, account_id: int) -> removal.Left:
        environment = require_environment(env_z_id, account_id)
        share = shares.by_token(token, leaving=True)
        if share is None or share.env_z_id != environment.z_id:
            raise NotFound("no such share")
        return removal.leave_share(self._core, share)


def require_share(token: str, account_id: int) -> Share:
    """The account's live share, read inside a transaction. :raises NotFound: none of the account's."""
    share = shares.by_token(token)
    if share is None or share.account_id != account_id:
        raise NotFound("no such share")
    return share


def _settle(share_id: int, token: str, draft: ShareDraft, account_id: int, now_ms: int) -> None:
    drafts.take_names(share_id, token, draft, account_id, now_ms)
    shares.set_grants(share_id, _addresses(draft.grants) if draft.permission == Permission.CLOSED else ())


def _told(share: Share) -> dict[str, Any]:
    """What the audit trail keeps of it: no target, which may have a password in it."""
    return {
        "environment": share.env_z_id,
        "share_mode": share.share_mode.value,
        "mode": share.mode,
        "hosts": list(share.endpoints),
        "gate": share.gating.gate,
        "permission": share.permission.value,
    }


def _urls(token: str, account_id: int) -> tuple[str, ...]:
    return names.urls_of_share(require_share(token, account_id).id)


def _addresses(emails: tuple[str, ...]) -> tuple[str, ...]:
    """Once each. Whether there is an account behind one is nobody's to know. :raises Invalid: one is no address."""
    return tuple(dict.fromkeys(check_email(email) for email in emails))
