"""What those that count bytes tell the controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zrokd.errors import Invalid
from zrokd.model.limits import UsageReport, UsageSample
from zrokd.wire.fields import integer, items, text

_MOST_BYTES = 2**48  # in one report
_MOST_BATCH = 64  # characters of its name

#: What `usage_from_wire` reads, as a JSON schema.
USAGE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["samples"],
    "properties": {
        "reporter": {"type": ["string", "null"], "maxLength": 64},
        "batch": {"type": ["string", "null"], "maxLength": 64},
        "samples": {
            "type": "array",
            "maxItems": 1000,
            "items": {
                "type": "object",
                "required": ["shareToken"],
                "properties": {
                    "shareToken": {"type": "string", "minLength": 1},
                    "rx": {"type": "integer", "minimum": 0},
                    "tx": {"type": "integer", "minimum": 0},
                },
            },
        },
    },
}


#: The same of `environment_usage_from_wire`.
ENVIRONMENT_USAGE_SCHEMA: Mapping[str, Any] = {
    **USAGE_SCHEMA,
    "required": ["envZId", "samples"],
    "properties": {"envZId": {"type": "string", "minLength": 1}, **USAGE_SCHEMA["properties"]},
}


def usage_from_wire(document: Mapping[str, Any]) -> UsageReport:
    """The counts in the body of POST /zrokd/usage, without a time. :raises Invalid: names the field."""
    if document.get("samples") is None:
        raise Invalid("samples is missing")
    samples = items(document, "samples", _sample, most=1000)
    return UsageReport(reporter=_short(document, "reporter"), batch=_short(document, "batch"), samples=samples)


def environment_usage_from_wire(document: Mapping[str, Any]) -> tuple[str, UsageReport]:
    """The environment and its counts in the body of POST /zrokd/environment/usage. :raises Invalid: names the field."""
    return text(document, "envZId", required=True), usage_from_wire(document)


def _short(document: Mapping[str, Any], key: str) -> str:
    name = text(document, key)
    if len(name) > _MOST_BATCH:
        raise Invalid(f"{key} is too long: {_MOST_BATCH} characters at most")
    return name


def _sample(value: Any, place: str) -> UsageSample:
    if not isinstance(value, dict):
        raise Invalid(f"{place} must have shareToken, rx and tx")
    rx, tx = integer(value, "rx"), integer(value, "tx")
    if not (0 <= rx <= _MOST_BYTES and 0 <= tx <= _MOST_BYTES):
        raise Invalid(f"{place}: rx and tx count bytes")
    token = text(value, "shareToken", required=True)
    return UsageSample(share_token=token, rx_bytes=rx, tx_bytes=tx, at_ms=0)
