"""Agents on enabled hosts that the controller may talk to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from zrokd.errors import AgentAway, Denied, Invalid, NotFound
from zrokd.model.account import Principal
from zrokd.model.environment import Environment
from zrokd.model.naming import new_share_token
from zrokd.service import removal, saga
from zrokd.service.core import Core, account_of
from zrokd.service.environments import require_environment
from zrokd.store import agents, audit, intents
from zrokd.store.intents import Intent


class Agents:
    """Agents of the principal's environments. Each is reached by an overlay service of its own, which it binds."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def enroll(self, env_z_id: str, principal: Principal) -> str:
        """The token, and service, of the environment's agent.

        :raises Denied: no such environment of the account's. :raises Invalid: it has one already.
        :raises OverlayError: nothing was kept.
        """
        core, account_id = self._core, account_of(principal)
        intent = core.store.write(self._reserve, env_z_id, account_id)
        return saga.make(
            core,
            intent,
            provision=lambda: core.overlay.create_agent(intent.subject, env_z_id),
            commit=lambda _: self._commit(intent, env_z_id, account_id),
            undo=removal.settle_or_abandon,
        )

    def unenroll(self, env_z_id: str, principal: Principal) -> None:
        """Take that back.

        :raises Denied: no such environment of the account's. :raises Invalid: it has none.
        :raises OverlayError: the reconciler finishes.
        """
        left = self._core.store.write(self._leave, env_z_id, account_of(principal))
        removal.complete(self._core, left, principal)

    def reach(self, env_z_id: str, principal: Principal) -> Callable[[object], Any]:
        """What asks the agent of an environment: give it a request of `zrokd.model.agent`, and it gives the answer.

        That may take long, and raises AgentAway: it does not answer, or refuses; OverlayError: nobody can be reached.
        :raises Denied: no such environment of the account's. :raises AgentAway: it is not enrolled.
        """
        token = self._core.store.read(_token, env_z_id, account_of(principal))
        if token is None:
            raise AgentAway("the agent of this environment is not enrolled; run `zrokd agent enroll` there")
        return partial(self._core.agents.ask, token)

    def _reserve(self, env_z_id: str, account_id: int) -> Intent:
        environment = _require(env_z_id, account_id)
        if agents.token_of(environment.id):
            raise Invalid("the agent of this environment is enrolled already")
        now_ms = self._core.clock.now_ms()
        return intents.begin(intents.CREATE, intents.AGENT, new_share_token(), self._core.worker, now_ms)

    def _commit(self, intent: Intent, env_z_id: str, account_id: int) -> str | None:
        try:
            environment = require_environment(env_z_id, account_id)
        except NotFound:
            return None
        agents.add(environment.id, intent.subject, self._core.clock.now_ms())
        audit.note("agent.enrolled", environment.z_id)
        return intent.subject

    def _leave(self, env_z_id: str, account_id: int) -> removal.Left:
        token = agents.remove(_require(env_z_id, account_id).id)
        if token is None:
            raise Invalid("the agent of this environment is not enrolled")
        audit.note("agent.unenrolled", env_z_id)
        now_ms = self._core.clock.now_ms()
        return removal.Left(intent=intents.begin(intents.DELETE, intents.AGENT, token, self._core.worker, now_ms))


def _token(env_z_id: str, account_id: int) -> str | None:
    return agents.token_of(_require(env_z_id, account_id).id)


def _require(env_z_id: str, account_id: int) -> Environment:
    try:
        return require_environment(env_z_id, account_id)
    except NotFound as error:
        raise Denied(str(error)) from error  # Source: zrok's status for it
