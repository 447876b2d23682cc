"""What commands print: JSON objects a line for programs, tables for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
FAILED, MISUSED, INTERRUPTED, UNREAD = 1, 2, 130, 141  # exit codes; the last two as of who dies of the signal
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def clean(value: object) -> str:
    """`value` without control characters: other people's texts must not move the cursor."""
    return _CONTROL.sub("?", str(value))


def reason(error: OSError | UnicodeDecodeError) -> str:
    """Why a file cannot be read, without its name and a number of the system's."""
    return str(error.strerror) if isinstance(error, OSError) and error.strerror else "it is not text"


def emit(document: Mapping[str, Any]) -> None:
    """One JSON object, one line."""
    click.echo(json.dumps(document, ensure_ascii=False))


def say(text: str) -> None:
    """A sentence for people, on standard error."""
    click.echo(text, err=True)


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, none: str) -> None:
    """Rows as JSON lines, or as a table of these columns; `none` is said when there are no rows."""
    rows = list(rows)
    if as_json:
        for row in rows:
            emit(row)
        return
    if not rows:
        say(none)
        return
    lines = [[column.upper().replace("_", " ") for column in columns]]
    lines += [[clean(_cell(row.get(column))) for column in columns] for row in rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def when(at_ms: int) -> str:
    """Unix milliseconds as people of this machine write them; "" for 0."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(" ", "minutes") if at_ms else ""


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)
