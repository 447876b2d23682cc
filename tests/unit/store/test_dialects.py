"""What a read and a write mean on each database."""

import time

import gevent
import peewee
import pytest

from tests.postgres.fixtures import only_postgres
from zrokd.errors import StoreError
from zrokd.store import accounts, dialects, meta


@pytest.mark.parametrize(
    ("database", "alone"),
    [
        (peewee.SqliteDatabase(":memory:"), True),
        (peewee.PostgresqlDatabase("d", prefer_psycopg3=True), False),
    ],
)
def test_sqlite_is_for_one_controller_and_postgresql_for_several(database, alone):
    assert dialects.dialect_of(database).alone is alone
    assert dialects.is_postgres(database) is not alone


@only_postgres
def test_a_function_that_writes_cannot_hide_in_a_read(store):
    with pytest.raises(StoreError, match="read-only"):
        store.read(accounts.add, "ann@example.com", "", 1)


@only_postgres
def test_a_write_waits_for_another_and_then_sees_what_that_committed(store):
    """A snapshot from before the lock would give two changes one version."""
    other = store.database.session()
    other.execute("begin")
    other.execute("select pg_advisory_xact_lock(%s)", (dialects.WRITER,))
    other.execute("insert into meta (key, value) values ('mapping_version', '41')")
    pool = gevent.get_hub().threadpool
    writing = pool.spawn(store.write, meta.next_version)
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    until = time.monotonic() + 5
    while other.execute(waiting).fetchone() == (0,):
        assert time.monotonic() < until
        gevent.sleep(0.01)
    other.execute("commit")
    assert writing.get(timeout=10) == 42
    other.close()
