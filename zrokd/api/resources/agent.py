"""Agents: their enrolment, and what is asked of them through the controller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from zrokd.api.call import OK, Answer, Call
from zrokd.model.share import ShareMode
from zrokd.wire import agent_requests as wire
from zrokd.wire.fields import choice
from zrokd.wire.requests import from_wire


class _Asked(Protocol):
    @property
    def env_z_id(self) -> str:
        """Whose agent is meant."""


def enroll(call: Call) -> Answer:
    """POST /agent/enroll."""
    token = call.services.agents.enroll(from_wire(wire.OneAgent, call.body).env_z_id, call.principal)
    return Answer(200, {"token": token})


def unenroll(call: Call) -> Answer:
    """POST /agent/unenroll."""
    call.services.agents.unenroll(from_wire(wire.OneAgent, call.body).env_z_id, call.principal)
    return OK


def ping(call: Call) -> Answer:
    """POST /agent/ping."""
    return _remote(call, wire.OneAgent)


def status(call: Call) -> Answer:
    """POST /agent/status."""
    return _remote(call, wire.OneAgent)


def share(call: Call) -> Answer:
    """POST /agent/share."""
    choice(call.body, "shareMode", ShareMode, ShareMode.PUBLIC)
    return _remote(call, wire.RemoteShare)


def unshare(call: Call) -> Answer:
    """POST /agent/unshare."""
    return _remote(call, wire.RemoteUnshare)


def access(call: Call) -> Answer:
    """POST /agent/access."""
    return _remote(call, wire.RemoteAccess)


def unaccess(call: Call) -> Answer:
    """POST /agent/unaccess."""
    return _remote(call, wire.RemoteUnaccess)


def health(call: Call) -> Answer:
    """POST /agent/share/http-healthcheck."""
    return _remote(call, wire.RemoteHealthCheck)


def _remote(call: Call, kind: Callable[..., _Asked]) -> Answer:
    asked: _Asked = from_wire(kind, call.body)  # type: ignore[arg-type]  # each of `kind` is a request
    call.services.agents.reach(asked.env_z_id, call.principal)
    return OK
