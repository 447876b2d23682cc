"""The database's errors in our words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import peewee

from zrokd.errors import Conflict, Invalid, StoreError, StoreLocked, StoreUnfit

#: SQLite's primary result codes. Source: https://sqlite.org/rescode.html
_SENTENCES = {
    sqlite3.SQLITE_BUSY: "the database is locked by another program; try again",
    sqlite3.SQLITE_LOCKED: "the database is locked by another program; try again",
    sqlite3.SQLITE_READONLY: "the database is read-only: its file or folder cannot be written",
    sqlite3.SQLITE_IOERR: "the disk under the database fails",
    sqlite3.SQLITE_CORRUPT: "the database is damaged; restore it from a backup",
    sqlite3.SQLITE_FULL: "the disk under the database is full",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened: is its folder there, and may we write in it?",
    sqlite3.SQLITE_NOTADB: "the file is not a database",
}
_LOCKS = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNFIT = _SENTENCES.keys() - _LOCKS
_UNFIT_STATES = {"53100", "25006", "42501", "42P01", "42703"}
_AWAY = "the database does not answer; try again"
_LOCKED = "the database is busy with somebody else's change; try again"
_FULL = "the disk under the database is full"
_SCHEMA = "the database has another schema than this zrokd; run `zrokd db upgrade`"
#: PostgreSQL's error codes, or the first letters of a class of them. Source: PostgreSQL 15, appendix A
_STATES = {
    "08": _AWAY,
    "57P": _AWAY,  # it shuts down, starts, or ended our connection
    "25P03": _AWAY,  # it ended our transaction, as we fell silent
    "53300": "the database has no connection left for us; raise its max_connections",
    "53100": _FULL,
    "55P03": _LOCKED,
    "40": _LOCKED,
    "57014": "the database takes too long; try again",
    "25006": "the database is read-only: is it a standby?",
    "28": "the database does not let us in: are user and password right?",
    "3D000": "the database is not there; create it first",
    "42501": "the database lets our user not do this; it must own the tables",
    "42P01": _SCHEMA,
    "42703": _SCHEMA,
}


@contextmanager
def translated() -> Iterator[None]:
    """Inside, what the database raises becomes one of our errors.

    :raises Conflict: a rule of the schema was broken that nobody put into better words (see `taken`).
    :raises Invalid: a value does not fit any column.
    :raises StoreLocked: somebody else holds it. :raises StoreUnfit: its operator must see to it.
    :raises StoreError: everything else.
    """
    try:
        yield
    except peewee.IntegrityError as error:
        raise Conflict("somebody else changed the same at the same time; try again") from error
    except (peewee.DataError, OverflowError, UnicodeEncodeError) as error:
        raise Invalid("a value cannot be stored: it is too long, too large or not text") from error
    except peewee.PeeweeException as error:
        raise _kind(error)(sentence(error)) from error


@contextmanager
def taken(message: str) -> Iterator[None]:
    """Inside, a broken uniqueness or reference is told as `message`. :raises Conflict: that."""
    try:
        yield
    except peewee.IntegrityError as error:
        raise Conflict(message) from error


def sentence(error: BaseException) -> str:
    """What is wrong with the database, in one sentence for the operator."""
    for code in _codes(error):
        if code in _SENTENCES:
            return _SENTENCES[code]
    for state in _states(error):
        for length in (5, 3, 2):
            if state[:length] in _STATES:
                return _STATES[state[:length]]
    if "no such table" in str(error) or "no such column" in str(error):
        return _SCHEMA
    if getattr(error.__context__, "sqlstate", "none") is None and isinstance(error, peewee.OperationalError):
        return _AWAY  # PostgreSQL's driver without a code: no server was there to give one
    return f"the database does not do it: {error}"


def _kind(error: BaseException) -> type[StoreError]:
    codes = set(_codes(error))
    if codes & _LOCKS:
        return StoreLocked
    return StoreUnfit if codes & _UNFIT or _UNFIT_STATES.intersection(_states(error)) else StoreError


def _codes(error: BaseException | None) -> Iterator[int]:
    """Primary result codes, latest first: a full disk ends the transaction, and then the rollback fails, too."""
    while error:
        yield getattr(error, "sqlite_errorcode", 0) & 0xFF
        error = error.__context__


def _states(error: BaseException | None) -> Iterator[str]:
    """PostgreSQL's codes, first cause first: what follows it says only that the transaction is broken."""
    found: list[str] = []
    while error:
        found.append(getattr(error, "sqlstate", None) or "")
        error = error.__context__
    return reversed([state for state in found if state])
