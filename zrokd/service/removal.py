"""How environments, shares and accesses end, and how half-made ones are undone.

`leave_*` runs in a transaction and makes a thing invisible: from then on nobody is routed to it. What is left of it is
then taken off the overlay and out of the store, by the intent alone: that can be repeated, by the caller or by the
reconciler, until it succeeds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zrokd.errors import OverlayError, StoreError, UnknownService
from zrokd.model.account import Principal
from zrokd.model.environment import Environment
from zrokd.model.share import Access, Share
from zrokd.service.core import Core
from zrokd.service.saga import off_overlay, on_overlay, settle
from zrokd.store import accesses, agents, audit, environments, intents, mappings, names, shares
from zrokd.store.intents import ACCESS, ADOPT, AGENT, CREATE, DELETE, ENVIRONMENT, IDENTITY, REPAIR, SHARE, Intent

_SOME = 50  # shares hidden in a transaction: everybody else's changes wait for its end

_log = logging.getLogger("zrokd.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What became invisible, to be told to the hooks; empty when it was before."""

    intent: Intent
    environments: tuple[Environment, ...] = ()
    shares: tuple[Share, ...] = ()
    accesses: tuple[Access, ...] = ()


def complete(core: Core, left: Left, principal: Principal) -> None:
    """Publish, take it off the overlay, and tell. :raises OverlayError: it stays invisible; repeat to finish."""
    core.bell.ring()
    try:
        settle_or_abandon(core, left.intent)
    finally:
        _tell(core, left, principal)


def complete_all(core: Core, every: Sequence[Left], principal: Principal) -> None:
    """`complete` each, whatever becomes of the others. :raises OverlayError: the first one's."""
    failed: list[OverlayError] = []
    for left in every:
        try:
            complete(core, left, principal)
        except OverlayError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def go_on(core: Core, kind: str, subject: str) -> None:
    """Settle what was abandoned for this subject, if anything was. :raises OverlayError: not now."""
    intent = core.store.read(intents.find, kind, subject)
    if intent and intent.abandoned:
        take_over(core, intent)


def take_over(core: Core, intent: Intent) -> None:
    """Settle what somebody began, unless somebody else takes it first. :raises OverlayError: not now."""
    ours = core.store.write(intents.claim, intent, core.worker, core.clock.now_ms())
    if ours:
        settle_or_abandon(core, ours)


def settle_or_abandon(core: Core, intent: Intent) -> None:
    """Finish or undo what the intent says. :raises OverlayError: not now; whoever comes by may go on."""
    try:
        _SETTLE[intent.kind, intent.verb](core, intent)
    except BaseException:
        _abandon(core, intent)
        raise


def _abandon(core: Core, intent: Intent) -> None:
    try:
        core.store.write(intents.abandon, intent)
    except StoreError as error:
        _log.warning("%s %s stays ours until its grace is over: %s", intent.kind, intent.subject, error)


# -- leave: inside a transaction ---


def leave_environment(core: Core, environment: Environment) -> Left:
    """Make it and all accesses invisible; its shares follow.

    :raises Unavailable: somebody works on it.
    """
    if begun := _begun(core, ENVIRONMENT, environment.z_id):
        return Left(intent=begun)
    now_ms = core.clock.now_ms()
    told_shares = shares.of_environment(environment.id)
    told_accesses = accesses.live_around(environment.id)
    accesses.make_leave_around(environment.id, now_ms)
    environments.make_leave(environment.id, now_ms)
    audit.note("environment.deleted", environment.z_id, shares=len(told_shares), accesses=len(told_accesses))
    intent = intents.begin(DELETE, ENVIRONMENT, environment.z_id, core.worker, now_ms, row=environment.id)
    return Left(intent=intent, environments=(environment,), shares=told_shares, accesses=told_accesses)


def leave_share(core: Core, share: Share) -> Left:
    """Make it invisible with the accesses onto it. :raises Unavailable: somebody works on it."""
    if begun := _begun(core, SHARE, share.token):
        return Left(intent=begun)
    now_ms, told = core.clock.now_ms(), accesses.live_of_share(share.token)
    _hide_share(share, now_ms)
    for access in told:
        accesses.make_leave(access.token, now_ms)
    audit.note("share.deleted", share.token, environment=share.env_z_id, hosts=list(share.endpoints))
    intent = intents.begin(DELETE, SHARE, share.token, core.worker, now_ms)
    return Left(intent=intent, shares=(share,), accesses=told)


def leave_access(core: Core, access: Access) -> Left:
    """Make it invisible. :raises Unavailable: somebody works on it."""
    if begun := _begun(core, ACCESS, access.token):
        return Left(intent=begun)
    now_ms = core.clock.now_ms()
    accesses.make_leave(access.token, now_ms)
    audit.note("access.deleted", access.token, share=access.share_token, environment=access.env_z_id)
    intent = intents.begin(DELETE, ACCESS, access.token, core.worker, now_ms, share=access.share_token)
    return Left(intent=intent, accesses=(access,))


def leave_strangers(core: Core, share: Share) -> tuple[Left, ...]:
    """Make the accesses invisible of those who may not have the share any more. :raises Unavailable: as above."""
    strangers = () if share.open_to_all else accesses.not_granted(share.id, share.account_id)
    return tuple(leave_access(core, access) for access in strangers)


def _begun(core: Core, kind: str, subject: str) -> Intent | None:
    """What was abandoned while this was taken away, ours from now on."""
    intent = intents.find(kind, subject)
    if intent and intent.abandoned and intent.verb == ADOPT:
        intents.end(intent)  # what is taken away need not be taken over before
        return None
    if intent and not (intent.abandoned and intent.verb == DELETE):
        raise intents.busy(kind, subject)
    return intents.claim(intent, core.worker, core.clock.now_ms()) if intent else None


def _hide_share(share: Share, now_ms: int) -> None:
    shares.make_leave(share.id, now_ms)
    names.detach(share.id, now_ms)
    mappings.sync(share.token, now_ms)


def _hide_some(environment: int, now_ms: int) -> bool:
    """Hide some shares that somebody could still be led to; whether there may be more. Others write in between."""
    visible = shares.to_hide(environment, _SOME)
    for share in visible:
        _hide_share(share, now_ms)
    return len(visible) == _SOME


# -- finish and undo: overlay calls, no transaction open ---


def _finish_environment(core: Core, intent: Intent) -> None:
    row = int(intent.payload["row"])
    more = True
    while more:
        more = core.store.write(_hide_some, row, core.clock.now_ms())
        core.bell.ring()
    its_shares = core.store.read(shares.of_environment, row, leaving=True)
    its_accesses = core.store.read(accesses.around, row)
    _cut(core, its_accesses)
    for share in its_shares:
        off_overlay(core.overlay.delete_share, share.token)
    if token := core.store.read(agents.token_of, row):
        off_overlay(core.overlay.delete_share, token)
    off_overlay(core.overlay.delete_environment, intent.subject)
    settle(core, intent, lambda: environments.forget(row))


def _adopt_environment(core: Core, intent: Intent) -> None:
    try:
        on_overlay(core.overlay.adopt_environment, intent.subject)
    except UnknownService as error:
        _log.warning("environment %s serves nothing until its host is enabled again: %s", intent.subject, error)
    settle(core, intent, lambda: None)


def _undo_environment(core: Core, intent: Intent) -> None:
    # Its id is unknown when the answer was lost. The name is ours alone, and making it again gives the id.
    identity = on_overlay(core.overlay.create_environment, intent.subject)
    off_overlay(core.overlay.delete_environment, identity.z_id)
    settle(core, intent, lambda: environments.forget(int(intent.payload["row"])))


def _finish_share(core: Core, intent: Intent) -> None:
    _cut(core, core.store.read(accesses.of_share, intent.subject))
    off_overlay(core.overlay.delete_share, intent.subject)
    settle(core, intent, lambda: shares.forget(intent.subject))


def _undo_share(core: Core, intent: Intent) -> None:
    if not core.store.write(_free_names, intent, core.clock.now_ms()):
        return  # a token may be chosen, and somebody else's by now
    off_overlay(core.overlay.delete_share, intent.subject)
    settle(core, intent, lambda: shares.forget(intent.subject))


def _free_names(intent: Intent, now_ms: int) -> bool:
    """Let others use the names of what was not made, even while the overlay is away. Whether it is ours to undo."""
    ours, share = intents.holds(intent), shares.by_token(intent.subject, leaving=True)
    if ours and share:
        names.detach(share.id, now_ms)
    return ours


def _cut(core: Core, listeners: tuple[Access, ...]) -> None:
    for access in listeners:
        off_overlay(core.overlay.delete_access, access.token, access.share_token)


def _drop_repair(core: Core, intent: Intent) -> None:
    settle(core, intent, lambda: None)


def _end_access(core: Core, intent: Intent) -> None:
    token, share_token = intent.subject, str(intent.payload["share"])
    off_overlay(core.overlay.delete_access, token, share_token)
    settle(core, intent, lambda: accesses.forget(token))


def _end_identity(core: Core, intent: Intent) -> None:
    off_overlay(core.overlay.delete_environment, intent.subject)
    settle(core, intent, lambda: None)


def _undo_identity(core: Core, intent: Intent) -> None:
    identity = on_overlay(core.overlay.create_frontend, intent.subject)  # as in _undo_environment
    off_overlay(core.overlay.delete_environment, identity.z_id)
    settle(core, intent, lambda: None)


def _end_agent(core: Core, intent: Intent) -> None:
    off_overlay(core.overlay.delete_share, intent.subject)
    settle(core, intent, lambda: None)


_SETTLE: dict[tuple[str, str], Callable[[Core, Intent], None]] = {
    (ENVIRONMENT, DELETE): _finish_environment,
    (ENVIRONMENT, CREATE): _undo_environment,
    (ENVIRONMENT, ADOPT): _adopt_environment,
    (SHARE, DELETE): _finish_share,
    (SHARE, CREATE): _undo_share,
    (SHARE, REPAIR): _drop_repair,
    (ACCESS, DELETE): _end_access,
    (ACCESS, CREATE): _end_access,
    (AGENT, DELETE): _end_agent,
    (AGENT, CREATE): _end_agent,
    (AGENT, REPAIR): _drop_repair,
    (IDENTITY, DELETE): _end_identity,
    (IDENTITY, CREATE): _undo_identity,
}


def _tell(core: Core, left: Left, principal: Principal) -> None:
    for access in left.accesses:
        core.hooks.on_access_deleted(access, principal)
    for share in left.shares:
        core.hooks.on_share_deleted(share, principal)
    for environment in left.environments:
        core.hooks.on_environment_deleted(environment, principal)
