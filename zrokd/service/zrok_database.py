"""A database of zrok v2 as rows: an SQLite file, or what `pg_dump` writes as text."""

from __future__ import annotations

import base64
import binascii
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zrokd.errors import Invalid

Row = Mapping[str, Any]
Rows = dict[str, list[Row]]

#: What is read of it. Without the first ones it is no database of zrok v2.
_NEEDED = ("accounts", "environments", "frontends", "namespaces", "names")
_WANTED = (
    *_NEEDED, "namespace_grants", "namespace_frontend_mappings", "frontend_grants", "skip_interstitial_grants",
    "organizations", "organization_members", "limit_classes", "applied_limit_classes", "invite_tokens", "shares",
    "agent_enrollments",
)  # fmt: skip
_COPY = re.compile(r"COPY (?:\w+\.)?\"?(\w+)\"? \(([^)]*)\) FROM stdin;")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}
_TRUE = (True, 1, "t", "true", "1")


def read(file: Path) -> Rows:
    """The rows of each table that are not deleted. Blocks. :raises Invalid: this is no such database; says why."""
    try:
        with file.open("rb") as opened:
            start = opened.read(16)
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}") from error
    if start.startswith(b"PGDMP"):
        raise Invalid(f"{file} is a dump in pg_dump's own format; make a plain one: pg_dump --format=plain")
    rows = dict(_of_sqlite(file) if start == b"SQLite format 3\0" else _of_dump(file))
    missing = [table for table in _NEEDED if table not in rows]
    if missing:
        hint = "; one of zrok v1 is upgraded by zrok v2 first" if "accounts" in rows else ""
        raise Invalid(f"{file} is no database of zrok v2: it has no table {missing[0]}{hint}")
    return {table: [row for row in rows.get(table, ()) if not flag(row, "deleted")] for table in _WANTED}


def text(row: Row, column: str) -> str:
    """A value as text; "" where there is none."""
    value = row.get(column)
    return "" if value is None else str(value)


def number(row: Row, column: str, default: int = 0) -> int:
    """A value as a whole number. :raises Invalid: it is none."""
    value = row.get(column)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except ValueError as error:
        raise Invalid(f"column {column} holds {value!r}, which is no number") from error


def flag(row: Row, column: str) -> bool:
    """A value as yes or no."""
    return row.get(column) in _TRUE


def time_ms(row: Row, column: str, default_ms: int) -> int:
    """A value as Unix milliseconds. What tells no zone is UTC."""
    value = text(row, column)
    if re.search(r"[+-]\d\d$", value):
        value += ":00"
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return default_ms
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def password_hash(row: Row) -> str:
    """An account's, in the form that is verified here. :raises Invalid: it is garbled.

    zrok keeps argon2id with t=1, m=3 MiB, p=4; after the first login it is made anew by today's rule.
    """
    try:
        salt, digest = (base64.b64decode(text(row, column), validate=True) for column in ("salt", "password"))
    except (ValueError, binascii.Error) as error:
        raise Invalid("its password hash is garbled") from error
    if len(salt) < 8 or len(digest) != 32:
        raise Invalid("its password hash is none of zrok's: too old, or garbled")
    plain = (base64.b64encode(part).decode().rstrip("=") for part in (salt, digest))
    return "$".join(["", "argon2id", "v=19", "m=3072,t=1,p=4", *plain])


def _of_sqlite(file: Path) -> Iterator[tuple[str, list[Row]]]:
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("begin")  # all tables as they are at one moment
            there = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
            for table in there & set(_WANTED):
                yield table, [dict(row) for row in connection.execute(f"select * from {table} order by id")]  # noqa: S608
    except sqlite3.Error as error:
        raise Invalid(f"{file} cannot be read: {error}") from error


def _of_dump(file: Path) -> Iterator[tuple[str, list[Row]]]:
    try:
        with file.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                if line.startswith("INSERT INTO "):
                    raise Invalid(f"{file} holds INSERT statements; make the dump without --inserts")
                match = _COPY.match(line)
                if match:
                    columns = [column.strip().strip('"') for column in match[2].split(",")]
                    rows = _copied(lines, columns)
                    yield match[1], list(rows)
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read: it is neither an SQLite file nor a plain dump") from error


def _copied(lines: Iterable[str], columns: list[str]) -> Iterator[Row]:
    """The rows of a COPY. Source: PostgreSQL 15, COPY, text format."""
    for line in lines:
        if line == "\\.\n":
            return
        values = line.rstrip("\n").split("\t")
        if len(values) != len(columns):
            raise Invalid("the dump is cut off, or garbled")
        yield {column: _value(value) for column, value in zip(columns, values, strict=True)}
    raise Invalid("the dump is cut off")


def _value(value: str) -> str | None:
    if value == "\\N":
        return None
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), value) if "\\" in value else value
