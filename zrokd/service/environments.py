"""Enabled hosts."""

from __future__ import annotations

import re
from dataclasses import replace

from zrokd.errors import NotFound
from zrokd.model.account import Principal
from zrokd.model.environment import Environment, EnvironmentDraft, Identity
from zrokd.model.naming import new_token
from zrokd.service import limits, removal, saga
from zrokd.service.checks import check_text
from zrokd.service.core import Core, account_of, heed
from zrokd.store import audit, environments, intents, receipts
from zrokd.store.intents import Intent

_UNSAFE = re.compile(r"[^A-Za-z0-9.@_-]")


class Environments:
    """Enable and disable hosts."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def enable(self, draft: EnvironmentDraft, principal: Principal) -> Identity:
        """The overlay identity of a new environment. The principal's account counts, not the draft's.

        :raises LimitReached: the account may have no more. :raises Denied: a plugin refused.
        :raises OverlayError: nothing was kept.
        """
        core, draft = self._core, _checked(replace(draft, account_id=account_of(principal)))
        heed(core.hooks.review_environment(draft, principal))
        intent = core.store.write(self._reserve, draft, _overlay_name(principal.email))
        identity, environment = saga.make(
            core,
            intent,
            provision=lambda: core.overlay.create_environment(intent.subject),
            commit=lambda identity: self._commit(intent, identity),
            undo=removal.settle_or_abandon,
        )
        core.hooks.on_environment_created(environment, principal)
        return identity

    def disable(self, z_id: str, principal: Principal) -> None:
        """Take an environment away with its shares, and the accesses in it and onto them.

        :raises NotFound: none of the account's.
        :raises OverlayError: it serves nothing any more; asking again, or the reconciler, finishes.
        """
        left = self._core.store.write(self._leave, z_id, account_of(principal))
        removal.complete(self._core, left, principal)

    def get(self, z_id: str, principal: Principal) -> Environment:
        """One of the account's. :raises NotFound: none of the account's."""
        return self._core.store.read(require_environment, z_id, account_of(principal))

    def list(self, principal: Principal) -> tuple[Environment, ...]:
        """The account's, oldest first."""
        return self._core.store.read(environments.of_account, account_of(principal))

    def _reserve(self, draft: EnvironmentDraft, overlay_name: str) -> Intent:
        now_ms = self._core.clock.now_ms()
        limits.room_for_environment(draft.account_id, self._core.limits, now_ms)
        row = environments.reserve(draft.account_id, draft, now_ms)
        return intents.begin(intents.CREATE, intents.ENVIRONMENT, overlay_name, self._core.worker, now_ms, row=row)

    def _commit(self, intent: Intent, identity: Identity) -> tuple[Identity, Environment] | None:
        made = environments.make_live(int(intent.payload["row"]), identity.z_id, self._core.clock.now_ms())
        if made is None:
            return None
        audit.note("environment.created", made.z_id, host=made.host, description=made.description)
        receipts.made(identity)
        return identity, made

    def _leave(self, z_id: str, account_id: int) -> removal.Left:
        environment = require_environment(z_id, account_id, leaving=True)
        return removal.leave_environment(self._core, environment)


def require_environment(z_id: str, account_id: int, *, leaving: bool = False) -> Environment:
    """The account's environment, read inside a transaction. :raises NotFound: none of the account's."""
    environment = environments.find(z_id, account_id, leaving=leaving)
    if environment is None:
        raise NotFound("no such environment")
    return environment


def _checked(draft: EnvironmentDraft) -> EnvironmentDraft:
    check_text(draft.description, "description", 1024)
    check_text(draft.host, "host", 1024)
    check_text(draft.address, "address", 64)
    return draft


def _overlay_name(email: str) -> str:
    return f"{new_token()}-{_UNSAFE.sub('_', email)[:80]}"  # the random half first: it makes the name ours alone
