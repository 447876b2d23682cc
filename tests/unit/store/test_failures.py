"""Sentences for what the driver raises."""

import sqlite3

import peewee
import pytest

from zrokd.errors import Conflict, Invalid, StoreError, StoreLocked, StoreUnfit
from zrokd.store.failures import sentence, taken, translated


def driver(code, text="whatever"):
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


def wrapped(original):
    try:
        try:
            raise original
        except sqlite3.Error as error:
            raise peewee.OperationalError(error, *error.args)  # noqa: B904 - as peewee does
    except peewee.OperationalError as error:
        return error


@pytest.mark.parametrize(
    ("code", "part"),
    [
        (sqlite3.SQLITE_BUSY, "locked"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "locked"),
        (sqlite3.SQLITE_LOCKED, "locked"),
        (sqlite3.SQLITE_READONLY, "read-only"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "read-only"),
        (sqlite3.SQLITE_FULL, "full"),
        (sqlite3.SQLITE_IOERR_WRITE, "disk under the database fails"),
        (sqlite3.SQLITE_CORRUPT, "damaged"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
        (sqlite3.SQLITE_NOTADB, "not a database"),
    ],
)
def test_a_result_code_has_a_sentence(code, part):
    assert part in sentence(wrapped(driver(code)))


def test_the_first_cause_counts_when_the_rollback_fails_too():
    try:
        try:
            raise driver(sqlite3.SQLITE_FULL)
        except sqlite3.Error:
            raise wrapped(driver(sqlite3.SQLITE_ERROR, "cannot rollback - no transaction is active"))  # noqa: B904
    except peewee.OperationalError as error:
        outer = error
    outer.__context__.__context__ = driver(sqlite3.SQLITE_FULL)
    assert sentence(outer) == "the disk under the database is full"


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (peewee.IntegrityError("UNIQUE"), Conflict),
        (peewee.DataError("too long"), Invalid),
        (OverflowError("int too large"), Invalid),
        (peewee.OperationalError("no such table: x"), StoreError),
        (wrapped(driver(sqlite3.SQLITE_BUSY)), StoreLocked),
        (wrapped(driver(sqlite3.SQLITE_FULL)), StoreUnfit),
        (wrapped(driver(sqlite3.SQLITE_IOERR_WRITE)), StoreUnfit),
        (wrapped(driver(sqlite3.SQLITE_READONLY)), StoreUnfit),
        (wrapped(driver(sqlite3.SQLITE_INTERRUPT)), StoreError),
        (peewee.InterfaceError("connection closed"), StoreError),
        (peewee.ProgrammingError("syntax"), StoreError),
        (KeyError("ours to fix"), KeyError),
        (Conflict("worded before"), Conflict),
    ],
)
def test_what_the_driver_raises_becomes_ours(raised, told):
    with pytest.raises(told) as caught, translated():
        raise raised
    assert type(caught.value) is told
    if not isinstance(raised, told):
        assert caught.value.__cause__ is raised


def test_a_broken_rule_is_told_as_its_noun_says():
    with pytest.raises(Conflict, match="^the name 'blog' is taken$"), taken("the name 'blog' is taken"):
        raise peewee.IntegrityError("UNIQUE constraint failed: name.namespace_id, name.name")


# -- PostgreSQL ---


class ServerError(peewee.DatabaseError):
    """As psycopg raises them: with the server's code, or None when no server was there to give one."""

    def __init__(self, sqlstate, text="whatever"):
        super().__init__(text)
        self.sqlstate = sqlstate


def from_server(*codes):
    """What peewee makes of an error whose context is another one: the first cause comes first."""
    error = None
    for code in codes:
        outer = ServerError(code)
        outer.__context__, error = error, outer
    wrapped = peewee.OperationalError(error)
    wrapped.__context__ = error
    return wrapped


@pytest.mark.parametrize(
    ("codes", "part"),
    [
        ([None], "does not answer"),
        (["08006"], "does not answer"),
        (["57P01"], "does not answer"),
        (["57P03", None], "does not answer"),
        (["25P03"], "does not answer"),
        (["55P03"], "busy with somebody else's change"),
        (["40P01"], "busy with somebody else's change"),
        (["57014"], "takes too long"),
        (["53300"], "no connection left"),
        (["53100"], "disk under the database is full"),
        (["25006"], "read-only"),
        (["28P01"], "does not let us in"),
        (["3D000"], "is not there"),
        (["42501"], "must own the tables"),
        (["42P01", "25P02"], "run `zrokd db upgrade`"),
        (["55P03", "25P02"], "busy"),
        (["XX000"], "does not do it"),
    ],
)
def test_a_servers_code_has_a_sentence(codes, part):
    assert part in sentence(from_server(*codes))


def test_what_a_client_is_told_names_no_host():
    error = from_server(None)
    error.args = ("connection to server at 10.0.0.5 failed: password of user zrokd",)
    assert sentence(error) == "the database does not answer; try again"
