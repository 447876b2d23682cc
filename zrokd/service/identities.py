"""Overlay identities for the operator: of frontends that are not ours."""

from __future__ import annotations

import re

from zrokd.errors import Conflict, Invalid, NotFound
from zrokd.model.account import Principal
from zrokd.model.environment import Identity
from zrokd.model.naming import new_token
from zrokd.service import removal, saga
from zrokd.service.checks import check_text
from zrokd.service.core import Core
from zrokd.store import audit, identities, intents, receipts
from zrokd.store.intents import Intent

_UNSAFE = re.compile(r"[^A-Za-z0-9.@_-]")


class Identities:
    """Make them, take them away. Each may dial every public share."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self, name: str) -> Identity:
        """A new one.

        :raises Invalid: no name. :raises Conflict: it is taken. :raises OverlayError: nothing was kept.
        """
        if not check_text(name, "name", 64):
            raise Invalid("an identity needs a name")
        intent = self._core.store.write(self._reserve, name)
        return saga.make(
            self._core,
            intent,
            provision=lambda: self._core.overlay.create_frontend(intent.subject),
            commit=lambda identity: self._commit(name, identity),
            undo=removal.settle_or_abandon,
        )

    def delete(self, z_id: str) -> None:
        """Take it away. :raises NotFound: none of these. :raises OverlayError: the reconciler finishes."""
        left = self._core.store.write(self._leave, z_id)
        removal.complete(self._core, left, Principal(admin=True))

    def _reserve(self, name: str) -> Intent:
        if identities.has_name(name):
            raise Conflict(f"there is an identity {name!r} already")
        subject = f"{new_token()}-{_UNSAFE.sub('_', name)}"  # the random half makes it nobody else's
        return intents.begin(intents.CREATE, intents.IDENTITY, subject, self._core.worker, self._core.clock.now_ms())

    def _commit(self, name: str, identity: Identity) -> Identity:
        identities.add(name, identity.z_id, self._core.clock.now_ms())
        audit.note("identity.created", identity.z_id, name=name)
        receipts.made(identity)
        return identity

    def _leave(self, z_id: str) -> removal.Left:
        if not identities.remove(z_id):
            raise NotFound("no such identity")
        audit.note("identity.deleted", z_id)
        begun = intents.begin(intents.DELETE, intents.IDENTITY, z_id, self._core.worker, self._core.clock.now_ms())
        return removal.Left(intent=begun)
