"""Store and overlay made equal again after a crash."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from zrokd.errors import ZrokdError
from zrokd.service import removal
from zrokd.service.core import Core
from zrokd.service.provision import provision_share
from zrokd.service.saga import on_overlay, settle
from zrokd.store import agents, intents, mappings, shares
from zrokd.store.intents import ADOPT, AGENT, DELETE, REPAIR, SHARE, Intent

_TOMBSTONE_MS = 7 * 24 * 3600 * 1000  # a frontend away for longer asks for all names

_SETTLING = {DELETE: "finish", ADOPT: "adopt"}

_log = logging.getLogger("zrokd.service")


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do, or done. `str()` is a sentence for the operator."""

    verb: str  # finish | undo | adopt | delete | create
    kind: str  # environment | share | access | agent
    subject: str
    failed: str = ""  # why it could not be done

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} {self.subject}" + (f": {self.failed}" if self.failed else "")


_Work = list[tuple[Action, Callable[[], None]]]


class Reconciler:
    """Finishes or undoes what was interrupted, deletes orphans on the overlay, makes again what is missing there."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def reconcile(self, *, dry_run: bool = False, grace_s: float = 120.0) -> tuple[Action, ...]:
        """What was done, or with `dry_run` what would be. Failures are in the actions, and tried again next time.

        Work of another controller on the same database is its own for `grace_s` seconds; so is ours.
        :raises OverlayError: the overlay does not list its shares; nothing was done.
        """
        core, now_ms = self._core, self._core.clock.now_ms()
        on_the_overlay = on_overlay(core.overlay.list_shares)  # first: what is younger than this list is not judged
        before_ms, alone = now_ms - int(grace_s * 1000), core.store.alone
        interrupted = core.store.read(intents.interrupted, core.worker, before_ms, alone=alone)
        known, live, busy = core.store.read(_tokens)
        busy -= {intent.subject for intent in interrupted if intent.verb == REPAIR}  # these end without a change
        work: _Work = [self._settling(intent) for intent in interrupted]
        work += [self._deleting(token) for token in sorted(on_the_overlay - known - busy)]
        work += [self._creating(token) for token in sorted(live - on_the_overlay - busy)]
        missing = core.store.read(agents.by_environment).items()
        work += [self._binding(token, z_id) for token, z_id in missing if token not in on_the_overlay | busy]
        if dry_run:
            return tuple(action for action, _ in work)
        core.store.write(mappings.prune, now_ms - _TOMBSTONE_MS)
        return tuple(_do(action, function) for action, function in work)

    def _settling(self, intent: Intent) -> tuple[Action, Callable[[], None]]:
        action = Action(_SETTLING.get(intent.verb, "undo"), intent.kind, intent.subject)
        return action, lambda: removal.take_over(self._core, intent)

    def _deleting(self, token: str) -> tuple[Action, Callable[[], None]]:
        def delete() -> None:
            intent = self._core.store.write(self._claim_orphan, token)
            if intent:
                removal.settle_or_abandon(self._core, intent)

        return Action("delete", SHARE, token), delete

    def _creating(self, token: str) -> tuple[Action, Callable[[], None]]:
        def create() -> None:
            intent = self._core.store.write(self._claim_missing, token)
            if intent:
                self._recreate(intent)

        return Action("create", SHARE, token), create

    def _binding(self, token: str, z_id: str) -> tuple[Action, Callable[[], None]]:
        def create() -> None:
            intent = self._core.store.write(self._claim_agent, token)
            if intent:
                try:
                    on_overlay(self._core.overlay.create_agent, token, z_id)
                finally:
                    settle(self._core, intent, lambda: None)

        return Action("create", AGENT, token), create

    def _recreate(self, intent: Intent) -> None:
        try:
            share = self._core.store.read(shares.by_token, intent.subject)
            if share:
                provision_share(self._core, share.token, share)
        finally:
            settle(self._core, intent, lambda: None)

    def _claim_orphan(self, token: str) -> Intent | None:
        """The orphan is ours to delete, unless it has become somebody's share meanwhile."""
        known = shares.by_token(token, leaving=True) or token in agents.by_environment()
        return None if known else self._begin(DELETE, token)

    def _claim_missing(self, token: str) -> Intent | None:
        """The share is ours to make again, unless it has ended meanwhile."""
        return self._begin(REPAIR, token) if shares.by_token(token) else None

    def _claim_agent(self, token: str) -> Intent | None:
        """The agent's service is ours to make again, unless it was taken back meanwhile."""
        core = self._core
        if token not in agents.by_environment():
            return None
        return intents.begin(REPAIR, AGENT, token, core.worker, core.clock.now_ms())

    def _begin(self, verb: str, token: str) -> Intent:
        return intents.begin(verb, SHARE, token, self._core.worker, self._core.clock.now_ms())


def _do(action: Action, function: Callable[[], None]) -> Action:
    try:
        function()
    except ZrokdError as error:
        action = replace(action, failed=str(error))
    _log.log(logging.WARNING if action.failed else logging.INFO, "reconcile: %s", action)
    return action


def _tokens() -> tuple[set[str], set[str], set[str]]:
    known = shares.all_tokens() | agents.tokens()
    return known, shares.live_tokens(), intents.subjects(SHARE) | intents.subjects(AGENT)
