"""What an account has: lists, details."""

from __future__ import annotations

from typing import Any

from zrokd.api.call import Call, Found, Listed, queried
from zrokd.service.overview import EnvironmentView
from zrokd.wire import answers, list_answers
from zrokd.wire.fields import NotOneOf
from zrokd.wire.filters import access_filter_from_wire, environment_filter_from_wire, share_filter_from_wire

_TIMES = ("createdAfter", "createdBefore", "updatedAfter", "updatedBefore")
_ACTIVITY = ("hasActivity", "idle", "activityDuration")


@queried(
    "description", "host", "address", "remoteAgent", "hasShares", "hasAccesses", "shareCount", "accessCount",
    *_ACTIVITY, *_TIMES,
)  # fmt: skip
def environments(call: Call) -> Listed:
    """GET /environments."""
    found = call.services.lists.environments(environment_filter_from_wire(call.query), call.principal)
    return Listed(
        lambda: list_answers.environments_to_wire(
            list_answers.environment_summary_to_wire(one.environment, one.shares, one.accesses) for one in found
        )
    )


@queried(
    "envZId", "shareMode", "backendMode", "permissionMode", "shareToken", "target", *_ACTIVITY, *_TIMES
)  # fmt: skip
def shares(call: Call) -> Listed:
    """GET /shares."""
    found = call.services.lists.shares(share_filter_from_wire(call.query), call.principal)
    return Listed(lambda: list_answers.shares_to_wire(found))


@queried("envZId", "shareToken", "bindAddress", "description", *_TIMES)
def accesses(call: Call) -> Listed:
    """GET /accesses."""
    found = call.services.lists.accesses(access_filter_from_wire(call.query), call.principal)
    return Listed(lambda: list_answers.accesses_to_wire(found))


def account(call: Call) -> Found:
    """GET /detail/account: its environments, and what went through them lately."""
    found = call.services.environments.list(call.principal)
    activity = _activity(call, [one.z_id for one in found], [])
    return Found([{**answers.environment_to_wire(one), "activity": activity.get(one.z_id, [])} for one in found])


def environment(call: Call) -> Listed:
    """GET /detail/environment/{env_z_id}."""
    view = call.services.overviews.environment(call.path["env_z_id"], call.principal)
    activity = _activity(call, [view.environment.z_id], [share.token for share in view.shares])
    return Listed(lambda: _resources(view, activity))


def _resources(view: EnvironmentView, activity: dict[str, Any]) -> dict[str, Any]:
    document = answers.resources_to_wire(view.environment, view.shares, view.accesses)
    document["environment"]["activity"] = activity.get(view.environment.z_id, [])
    for share in document["shares"]:
        share["activity"] = activity.get(share["shareToken"], [])
    return document


def access(call: Call) -> Found:
    """GET /detail/frontend/{frontend_id}."""
    number = call.path["frontend_id"]
    if not (number.isascii() and number.isdigit() and len(number) <= 19):
        raise NotOneOf("frontendId in path must be a whole number", code=601)  # [zrok]
    return Found(answers.access_to_wire(call.services.accesses.get(int(number), call.principal)))


def _activity(call: Call, z_ids: list[str], tokens: list[str]) -> dict[str, Any]:
    most = 100  # what a page shows; the rest has none
    found = call.services.metrics.sparklines(z_ids[:most], tokens[:most], call.principal)
    return {one.id: list_answers.activity_to_wire(one.traffic) for one in found}
