"""Figures over time."""

from __future__ import annotations

from zrokd.api.call import Call, Found, queried, reads
from zrokd.wire import list_answers
from zrokd.wire.fields import text
from zrokd.wire.filters import duration_s_from_wire
from zrokd.wire.requests import Sparklines


@queried("duration")
def of_account(call: Call) -> Found:
    """GET /metrics/account?duration=D."""
    return Found(list_answers.series_to_wire(call.services.metrics.account(_duration_s(call), call.principal)))


@queried("duration")
def of_environment(call: Call) -> Found:
    """GET /metrics/environment/{env_z_id}?duration=D."""
    found = call.services.metrics.environment(call.path["env_z_id"], _duration_s(call), call.principal)
    return Found(list_answers.series_to_wire(found))


@queried("duration")
def of_share(call: Call) -> Found:
    """GET /metrics/share/{share_token}?duration=D."""
    found = call.services.metrics.share(call.path["share_token"], _duration_s(call), call.principal)
    return Found(list_answers.series_to_wire(found))


@reads(Sparklines)
def sparklines(call: Call, asked: Sparklines) -> Found:
    """POST /sparklines."""
    found = call.services.metrics.sparklines(asked.environments, asked.shares, call.principal)
    return Found(list_answers.sparklines_to_wire(found))


def _duration_s(call: Call) -> float:
    return duration_s_from_wire(text(call.query, "duration") or "720h", "duration")
