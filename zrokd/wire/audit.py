"""The audit trail as JSON. A record's fields keep their names, as its digest is made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from zrokd.errors import Unavailable
from zrokd.model.audit import Link, Record

_FIELDS = tuple(one.name for one in fields(Record))


def page_to_wire(checkpoint: Link, head: Link, records: Iterable[Record]) -> dict[str, Any]:
    """The answer of GET /zrokd/audit."""
    return {
        "checkpoint": asdict(checkpoint),
        "head": asdict(head),
        "records": [asdict(record) for record in records],
    }


def page_from_wire(document: Any) -> tuple[Link, Link, tuple[Record, ...]]:
    """Checkpoint, head and records. :raises Unavailable: this is no such answer.

    What stands in a record is not judged here: it may be what somebody wrote into the table.
    """
    try:
        records = tuple(Record(**{name: item[name] for name in _FIELDS}) for item in document["records"])
        return Link(**document["checkpoint"]), Link(**document["head"]), records
    except (KeyError, TypeError) as error:
        raise Unavailable("the controller's answer makes no sense: it is no page of the audit trail") from error
