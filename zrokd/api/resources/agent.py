"""Agents: their enrolment, and what is asked of them through the controller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zrokd.api.call import EMPTY, OK, Call, Done, Found, reads, shaped
from zrokd.model import agent as told
from zrokd.wire import agent_requests as wire
from zrokd.wire.agent_answers import agent_status_to_wire, health_to_wire, remote_share_to_wire


@reads(wire.OneAgent)
def enroll(call: Call, asked: wire.OneAgent) -> Found:
    """POST /agent/enroll."""
    token = call.services.agents.enroll(asked.env_z_id, call.principal)
    return Found({"token": token})


@reads(wire.OneAgent)
def unenroll(call: Call, asked: wire.OneAgent) -> Done:
    """POST /agent/unenroll."""
    call.services.agents.unenroll(asked.env_z_id, call.principal)
    return OK


@reads(wire.OneAgent)
def ping(call: Call, asked: wire.OneAgent) -> Found:
    """POST /agent/ping."""
    ask = _reach(call, asked.env_z_id)
    return Found(lambda: {"version": ask(told.VersionRequest()).v})


@reads(wire.OneAgent)
def status(call: Call, asked: wire.OneAgent) -> Found:
    """POST /agent/status."""
    ask = _reach(call, asked.env_z_id)
    return Found(lambda: agent_status_to_wire(ask(told.StatusRequest())))


@shaped(wire.REMOTE_SHARE_SCHEMA)
def share(call: Call) -> Found:
    """POST /agent/share."""
    env_z_id, order = wire.remote_share_from_wire(call.body)
    ask = _reach(call, env_z_id)
    return Found(lambda: remote_share_to_wire(ask(order)))


@reads(wire.RemoteUnshare)
def unshare(call: Call, asked: wire.RemoteUnshare) -> Done:
    """POST /agent/unshare."""
    return _told(call, asked.env_z_id, told.ReleaseShareRequest(token=asked.token))


@reads(wire.RemoteAccess)
def access(call: Call, asked: wire.RemoteAccess) -> Found:
    """POST /agent/access."""
    ask = _reach(call, asked.env_z_id)
    return Found(lambda: {"frontendToken": ask(asked.order()).frontend_token})


@reads(wire.RemoteUnaccess)
def unaccess(call: Call, asked: wire.RemoteUnaccess) -> Done:
    """POST /agent/unaccess."""
    return _told(call, asked.env_z_id, told.ReleaseAccessRequest(frontend_token=asked.frontend_token))


@reads(wire.RemoteHealthCheck)
def health(call: Call, asked: wire.RemoteHealthCheck) -> Found:
    """POST /agent/share/http-healthcheck."""
    ask = _reach(call, asked.env_z_id)
    return Found(lambda: health_to_wire(ask(asked.order())))


def _reach(call: Call, env_z_id: str) -> Callable[[object], Any]:
    return call.services.agents.reach(env_z_id, call.principal)


def _told(call: Call, env_z_id: str, order: object) -> Done:
    ask = _reach(call, env_z_id)

    def tell() -> Any:
        ask(order)
        return EMPTY

    return Done(tell)
