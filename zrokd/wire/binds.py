"""What backends tell of their binds, both ways, and what is told of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zrokd.errors import Invalid
from zrokd.model.bind import Bind, BindReport, Standing
from zrokd.wire.fields import decimal, flag, integer, items, text, texts

MOST = 1000  # binds in one report
_MOST_ENDS = 10_000
_OLDEST_S = 10 * 365 * 86400.0

#: What `report_from_wire` reads, as a JSON schema.
REPORT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["envZId", "backend"],
    "properties": {
        "envZId": {"type": "string", "minLength": 1},
        "backend": {"type": "string", "minLength": 1, "maxLength": 32},
        "whole": {"type": ["boolean", "null"]},
        "provenS": {"type": ["number", "null"], "minimum": 0},
        "gone": {"type": ["array", "null"], "maxItems": 100, "items": {"type": "string", "minLength": 1}},
        "binds": {
            "type": ["array", "null"],
            "maxItems": MOST,
            "items": {
                "type": "object",
                "required": ["shareToken"],
                "properties": {
                    "shareToken": {"type": "string", "minLength": 1},
                    "ends": {"type": ["integer", "null"], "minimum": 0},
                    "why": {"type": ["string", "null"]},
                    "sinceS": {"type": ["number", "null"], "minimum": 0},
                    "provenS": {"type": ["number", "null"], "minimum": 0},
                },
            },
        },
    },
}


def report_from_wire(document: Mapping[str, Any]) -> BindReport:
    """The report in the body of POST /zrokd/binds. :raises Invalid: names the field."""
    return BindReport(
        env_z_id=text(document, "envZId", required=True),
        backend=text(document, "backend", required=True),
        binds=items(document, "binds", _bind, most=MOST),
        gone=texts(document, "gone"),
        whole=flag(document, "whole"),
        proven_s=_proven(document, "provenS"),
    )


def _bind(value: Any, place: str) -> Bind:
    if not isinstance(value, dict):
        raise Invalid(f"{place} must have shareToken, ends, why, sinceS and provenS")
    ends = integer(value, "ends")
    if not 0 <= ends <= _MOST_ENDS:
        raise Invalid(f"{place}: ends counts the ends that the overlay knows")
    return Bind(
        share_token=text(value, "shareToken", required=True),
        ends=ends,
        why=text(value, "why"),
        since_s=_age(value, "sinceS"),
        proven_s=_proven(value, "provenS"),
    )


def _age(document: Mapping[str, Any], field: str) -> float:
    found = decimal(document, field)
    if not 0 <= found <= _OLDEST_S:
        raise Invalid(f"{field} must be an age in seconds")
    return found


def _proven(document: Mapping[str, Any], field: str) -> float | None:
    return None if document.get(field) is None else _age(document, field)


def report_to_wire(report: BindReport) -> dict[str, Any]:
    """The body of POST /zrokd/binds."""
    return {
        "envZId": report.env_z_id,
        "backend": report.backend,
        "whole": report.whole,
        "provenS": report.proven_s,
        "gone": list(report.gone),
        "binds": [
            {
                "shareToken": bind.share_token,
                "ends": bind.ends,
                "why": bind.why,
                "sinceS": round(bind.since_s, 3),
                "provenS": bind.proven_s,
            }
            for bind in report.binds
        ],
    }


def heard_to_wire(*, known: bool) -> dict[str, Any]:
    """The answer: whether the backend is to tell all again."""
    return {"again": not known}


def standing_to_wire(standing: Standing) -> dict[str, Any]:
    """What is known of one share. Times are Unix milliseconds; 0: never, or not known."""
    return {
        "shareToken": standing.share_token,
        "envZId": standing.env_z_id,
        "state": standing.reach.value,
        "why": standing.why,
        "since": standing.since_ms,
        "provenAt": standing.proven_at_ms,
        "ends": standing.ends,
    }


def standings_to_wire(standings: Iterable[Standing]) -> list[dict[str, Any]]:
    """The answer of GET /zrokd/binds."""
    return [standing_to_wire(one) for one in standings]
