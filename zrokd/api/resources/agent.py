"""Agents: their enrolment, and what is asked of them through the controller."""

from __future__ import annotations

from zrokd.api.call import OK, Call, Done, Found, reads
from zrokd.model.share import ShareMode
from zrokd.wire import agent_requests as wire
from zrokd.wire.fields import choice


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
def ping(call: Call, asked: wire.OneAgent) -> Done:
    """POST /agent/ping."""
    return _remote(call, asked.env_z_id)


@reads(wire.OneAgent)
def status(call: Call, asked: wire.OneAgent) -> Done:
    """POST /agent/status."""
    return _remote(call, asked.env_z_id)


@reads(wire.RemoteShare)
def share(call: Call, asked: wire.RemoteShare) -> Done:
    """POST /agent/share."""
    choice(call.body, "shareMode", ShareMode, ShareMode.PUBLIC)
    return _remote(call, asked.env_z_id)


@reads(wire.RemoteUnshare)
def unshare(call: Call, asked: wire.RemoteUnshare) -> Done:
    """POST /agent/unshare."""
    return _remote(call, asked.env_z_id)


@reads(wire.RemoteAccess)
def access(call: Call, asked: wire.RemoteAccess) -> Done:
    """POST /agent/access."""
    return _remote(call, asked.env_z_id)


@reads(wire.RemoteUnaccess)
def unaccess(call: Call, asked: wire.RemoteUnaccess) -> Done:
    """POST /agent/unaccess."""
    return _remote(call, asked.env_z_id)


@reads(wire.RemoteHealthCheck)
def health(call: Call, asked: wire.RemoteHealthCheck) -> Done:
    """POST /agent/share/http-healthcheck."""
    return _remote(call, asked.env_z_id)


def _remote(call: Call, env_z_id: str) -> Done:
    call.services.agents.reach(env_z_id, call.principal)
    return OK
