"""Environments whose agents the controller may talk to."""

from __future__ import annotations

from zrokd.store.failures import taken
from zrokd.store.tables import AgentEnrollment, Environment


def add(environment_id: int, token: str, now_ms: int) -> None:
    """The environment's agent can be reached by this token. :raises Conflict: it has one already."""
    with taken("the agent of this environment is enrolled already"):
        AgentEnrollment.create(environment=environment_id, token=token, created_at_ms=now_ms)


def remove(environment_id: int) -> str | None:
    """Take that back; the token that it had, or None."""
    token = token_of(environment_id)
    AgentEnrollment.delete().where(AgentEnrollment.environment == environment_id).execute()
    return token


def token_of(environment_id: int) -> str | None:
    """By which token the environment's agent is reached, or None."""
    row = AgentEnrollment.get_or_none(AgentEnrollment.environment == environment_id)
    return None if row is None else row.token


def environments_of(account_id: int) -> set[int]:
    """Rows of the account's environments whose agents can be reached."""
    rows = AgentEnrollment.select().join(Environment).where(Environment.account == account_id)
    return {row.environment_id for row in rows}


def by_environment() -> dict[str, str]:
    """Token -> environment, of all that are enrolled and live."""
    rows = (
        AgentEnrollment.select(AgentEnrollment, Environment).join(Environment).where(Environment.live == True)  # noqa: E712 - an SQL expression
    )
    return {row.token: row.environment.z_id or "" for row in rows}


def tokens() -> set[str]:
    """Of all that are enrolled, live or not."""
    return {row.token for row in AgentEnrollment.select(AgentEnrollment.token)}
