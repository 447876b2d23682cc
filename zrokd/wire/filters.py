"""Filters of lists and spans of time, as they stand in a query. Source: zrok's REST API v2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from zrokd.errors import Invalid
from zrokd.model.filters import AccessFilter, Activity, Count, EnvironmentFilter, ShareFilter, Times
from zrokd.wire.fields import NotOneOf, text
from zrokd.wire.modes import mode_from_wire

_Query = Mapping[str, str]
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d{1,9}(?:\.\d{0,9})?)(ns|us|µs|ms|s|m|h|d)", re.ASCII)
_COUNT = re.compile(r"(>=|<=|>|<|=)?\s*(\d{1,9})", re.ASCII)
# Source: RFC 3339 §5.6
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LONGEST_ACTIVITY_S = 30 * 86400.0
_WORDS: dict[str, bool] = {
    **dict.fromkeys(("true", "1", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("false", "0", "f", "no", "n", "off"), False),
}


def environment_filter_from_wire(query: _Query) -> EnvironmentFilter:
    """The query of GET /environments. :raises Invalid: names the field."""
    return EnvironmentFilter(
        times=_times(query),
        activity=_activity(query),
        description=text(query, "description"),
        host=text(query, "host"),
        address=text(query, "address"),
        remote_agent=_flag(query, "remoteAgent"),
        has_shares=_flag(query, "hasShares"),
        has_accesses=_flag(query, "hasAccesses"),
        share_count=_count(query, "shareCount"),
        access_count=_count(query, "accessCount"),
    )


def share_filter_from_wire(query: _Query) -> ShareFilter:
    """The query of GET /shares. :raises Invalid: names the field."""
    return ShareFilter(
        times=_times(query),
        activity=_activity(query),
        env_z_id=text(query, "envZId"),
        share_mode=text(query, "shareMode"),
        mode=mode_from_wire(text(query, "backendMode")),
        permission=text(query, "permissionMode"),
        token=text(query, "shareToken"),
        target=text(query, "target"),
    )


def access_filter_from_wire(query: _Query) -> AccessFilter:
    """The query of GET /accesses. :raises Invalid: names the field."""
    return AccessFilter(
        times=_times(query),
        env_z_id=text(query, "envZId"),
        share_token=text(query, "shareToken"),
        bind_address=text(query, "bindAddress"),
        description=text(query, "description"),
    )


def duration_s_from_wire(value: str, field: str, *, days: bool = False) -> float:
    """Seconds of a duration as Go writes them, such as 720h or 1h30m; with `days` also 7d. :raises Invalid: it is none.

    Source: Go, time.ParseDuration; zrok adds days for activity.
    """
    parts = _PART.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise Invalid(f"{field} must be a duration such as 24h or 30m")
    if not days and any(unit == "d" for _, unit in parts):
        raise Invalid(f"{field} must be a duration such as 24h or 30m, and d is no unit of it")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _times(query: _Query) -> Times:
    return Times(
        created_after_ms=_time_ms(query, "createdAfter"),
        created_before_ms=_time_ms(query, "createdBefore"),
        updated_after_ms=_time_ms(query, "updatedAfter"),
        updated_before_ms=_time_ms(query, "updatedBefore"),
    )


def _time_ms(query: _Query, field: str) -> int | None:
    value = text(query, field)
    if not value:
        return None
    if not _TIME.fullmatch(value):
        raise Invalid(f"{field} must be a time such as 2026-01-31T12:00:00Z")
    try:
        at = datetime.fromisoformat(value.upper())
        return int(at.astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{field} is no time that there is") from error


def _activity(query: _Query) -> Activity:
    active, idle = _flag(query, "hasActivity"), _flag(query, "idle")
    if active and idle:
        raise Invalid("hasActivity and idle cannot both be true")
    said = text(query, "activityDuration")
    within_s = duration_s_from_wire(said, "activityDuration", days=True) if said else 86400.0
    if not 0 < within_s <= _LONGEST_ACTIVITY_S:
        raise Invalid("activityDuration must be more than 0, and at most 30d")
    return Activity(wanted=True if active else False if idle else None, within_s=within_s)


def _flag(query: _Query, field: str) -> bool | None:
    value = text(query, field).lower()
    if value and value not in _WORDS:
        raise NotOneOf(f"{field} must be true or false", code=601)
    return _WORDS.get(value)


def _count(query: _Query, field: str) -> Count | None:
    value = text(query, field)
    if not value:
        return None
    found = _COUNT.fullmatch(value.strip())
    if not found:
        raise Invalid(f"{field} must be a number with >, >=, =, <= or < before it")
    return Count(found[1] or "=", int(found[2]))
