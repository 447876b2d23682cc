"""Private listeners onto shares."""

from __future__ import annotations

from zrokd.errors import NotFound
from zrokd.model.account import Principal
from zrokd.model.naming import new_token
from zrokd.model.share import Access, Share
from zrokd.service import limits, removal, saga
from zrokd.service.checks import check_text
from zrokd.service.core import Core, account_of, heed
from zrokd.service.environments import require_environment
from zrokd.store import accesses, audit, intents, receipts, shares
from zrokd.store.intents import Intent

_MOST_ID = 2**63 - 1


class Accesses:
    """Accesses of the principal's environments."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def access(
        self, env_z_id: str, share_token: str, principal: Principal, *, bind_address: str = "", description: str = ""
    ) -> Access:
        """Let one of the account's environments dial a share, private or public.

        :raises NotFound: no such environment of the account's, or no such share that the account may have.
        :raises LimitReached: the share may not have more accesses.
        :raises Denied: a plugin refused. :raises OverlayError: nothing was kept.
        """
        core, account_id = self._core, account_of(principal)
        texts = _checked(bind_address, description)
        share = core.store.read(_reachable, env_z_id, share_token, account_id)
        heed(core.hooks.review_access(share, principal))
        intent = core.store.write(self._reserve, env_z_id, share_token, account_id, *texts)
        access = saga.make(
            core,
            intent,
            provision=lambda: core.overlay.create_access(intent.subject, share_token, env_z_id),
            commit=lambda _: self._commit(intent, env_z_id, share_token, account_id),
            undo=removal.settle_or_abandon,
        )
        core.hooks.on_access_created(access, principal)
        return access

    def unaccess(self, env_z_id: str, token: str, principal: Principal) -> None:
        """Take an access away.

        :raises NotFound: no such access in an environment of the account's.
        :raises OverlayError: asking again, or the reconciler, finishes.
        """
        left = self._core.store.write(self._leave, env_z_id, token, account_of(principal))
        removal.complete(self._core, left, principal)

    def modify(self, token: str, principal: Principal, *, bind_address: str = "", description: str = "") -> None:
        """Replace both texts. :raises NotFound: none of the account's."""
        texts = _checked(bind_address, description)
        self._core.store.write(self._modify, token, account_of(principal), *texts)

    def get(self, access_id: int, principal: Principal) -> Access:
        """One of the account's. :raises NotFound: none of the account's."""
        return self._core.store.read(_require_by_id, access_id, account_of(principal))

    def list(self, principal: Principal) -> tuple[Access, ...]:
        """The account's, oldest first."""
        return self._core.store.read(accesses.of_account, account_of(principal))

    def _reserve(self, env_z_id: str, share_token: str, account_id: int, bind_address: str, description: str) -> Intent:
        now_ms, token = self._core.clock.now_ms(), new_token()
        share = _reachable(env_z_id, share_token, account_id)
        limits.room_for_access(share, self._core.limits, now_ms)
        environment = require_environment(env_z_id, account_id)
        accesses.reserve(environment.id, share.id, token, bind_address, description, now_ms)
        return intents.begin(intents.CREATE, intents.ACCESS, token, self._core.worker, now_ms, share=share_token)

    def _commit(self, intent: Intent, env_z_id: str, share_token: str, account_id: int) -> Access | None:
        try:
            share = _reachable(env_z_id, share_token, account_id)
        except NotFound:
            return None  # a grant may have ended meanwhile
        if share.limited:
            return None
        audit.note("access.created", intent.subject, share=share_token, environment=env_z_id)
        made = accesses.make_live(intent.subject, self._core.clock.now_ms())
        if made is not None:
            receipts.made(made)
        return made

    def _leave(self, env_z_id: str, token: str, account_id: int) -> removal.Left:
        require_environment(env_z_id, account_id)
        access = _require(token, account_id, leaving=True)
        if access.env_z_id != env_z_id:
            raise _missing()
        return removal.leave_access(self._core, access)

    def _modify(self, token: str, account_id: int, bind_address: str, description: str) -> None:
        _require(token, account_id)
        accesses.change(token, bind_address, description, self._core.clock.now_ms())
        audit.note("access.changed", token, bind_address=bind_address, description=description)


def _reachable(env_z_id: str, share_token: str, account_id: int) -> Share:
    require_environment(env_z_id, account_id)
    share = shares.by_token(share_token)
    if share is None or not _may_have(share, account_id):
        raise NotFound("no such share")
    return share


def _may_have(share: Share, account_id: int) -> bool:
    return share.account_id == account_id or share.open_to_all or shares.is_granted(share.id, account_id)


def _require(token: str, account_id: int, *, leaving: bool = False) -> Access:
    access = accesses.find(token, account_id, leaving=leaving)
    if access is None:
        raise _missing()
    return access


def _require_by_id(access_id: int, account_id: int) -> Access:
    access = accesses.by_id(access_id, account_id) if 0 < access_id <= _MOST_ID else None
    if access is None:
        raise _missing()
    return access


def _missing() -> NotFound:
    return NotFound("no such access")


def _checked(bind_address: str, description: str) -> tuple[str, str]:
    return check_text(bind_address, "bind address", 255), check_text(description, "description", 1024)
