"""One SQLite file: private, in WAL mode, used by many threads, and clear about what is wrong with it."""

import gc
import json
import os
import sqlite3
import stat
import subprocess
import sys
import weakref
from contextlib import closing

import gevent
import pytest
from zrokd_plugins.storage_sqlite import SqliteDatabase, SqliteSettings, SqliteStorage, zrokd_provide_storages

from zrokd.contracts import Health
from zrokd.errors import StartError
from zrokd.store import accounts, meta, migrate
from zrokd.store.database import Store


@pytest.fixture
def make(small_ctx):
    """make(**settings): an open storage, closed at the end."""
    made = []

    def build(**settings):
        storage = SqliteStorage(SqliteSettings(**settings), small_ctx)
        made.append(storage)
        storage.open()
        return storage

    yield build
    for storage in made:
        storage.close()


@pytest.fixture
def quiet(small_ctx):
    """The context's thread pool, without tracebacks of what is expected."""

    def offload(function, *args, **kwargs):
        def caught():
            try:
                return function(*args, **kwargs), None
            except Exception as error:
                return None, error

        result, error = gevent.get_hub().threadpool.apply(caught)
        if error:
            raise error
        return result

    small_ctx.offload = offload
    return offload


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_module_provides_one_class():
    assert list(zrokd_provide_storages()) == [SqliteStorage]
    assert (SqliteStorage.slot, SqliteStorage.name, SqliteStorage.blocks) == ("storage", "sqlite", True)
    assert all(field.description for field in SqliteSettings.model_fields.values())


def test_the_constructor_touches_nothing(small_ctx):
    storage = SqliteStorage(SqliteSettings(), small_ctx)
    assert list(small_ctx.state_dir.iterdir()) == []
    storage.close()


def test_the_file_is_in_the_state_directory_and_private(make, small_ctx):
    before = os.umask(0)
    try:
        make()
    finally:
        os.umask(before)
    file = small_ctx.state_dir / "zrokd.sqlite3"
    assert mode_of(file) == 0o600


def test_the_files_beside_it_are_private_too(make, small_ctx):
    storage = make()
    migrate.upgrade(storage.database())
    assert {mode_of(file) for file in small_ctx.state_dir.glob("zrokd.sqlite3*")} == {0o600}
    assert len(list(small_ctx.state_dir.glob("zrokd.sqlite3*"))) == 3


@pytest.mark.parametrize("relative", [True, False])
def test_another_path_can_be_chosen(make, small_ctx, tmp_path, relative):
    make(path="names.db" if relative else str(tmp_path / "names.db"))
    assert (small_ctx.state_dir if relative else tmp_path).joinpath("names.db").exists()


def test_a_file_that_others_could_read_is_made_private(make, small_ctx):
    file = small_ctx.state_dir / "zrokd.sqlite3"
    file.touch(0o644)
    make()
    assert mode_of(file) == 0o600


def test_every_connection_has_the_pragmas(make):
    database = make().database()
    with database.connection_context():
        found = {
            name: database.execute_sql(f"pragma {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 1500}


def test_the_database_is_one_object_and_not_connected(make):
    storage = make()
    assert storage.database() is storage.database()
    assert storage.database().is_closed()


def test_closing_is_idempotent_and_the_file_can_be_opened_again(make, quiet):
    storage = make()
    migrate.upgrade(storage.database())
    Store(storage.database()).write(accounts.add, "ann@example.com", "", 1)
    storage.close()
    storage.close()
    again = make()
    assert len(Store(again.database()).read(accounts.every)) == 1


def test_health_tells_when_the_file_is_gone(make, small_ctx):
    storage = make()
    assert storage.health() == Health()
    (small_ctx.state_dir / "zrokd.sqlite3").unlink()
    assert not storage.health().ok and "is gone" in storage.health().detail


# -- many threads ---


def test_real_threads_that_connect_at_once_all_get_through(make, quiet):
    storage = make()
    migrate.upgrade(storage.database())
    store = Store.over(storage, quiet)

    def count():
        return [store.write(meta.next_version) for _ in range(10)]

    crowd = [gevent.spawn(count) for _ in range(50)]
    gevent.joinall(crowd, timeout=20)
    assert all(greenlet.successful() for greenlet in crowd), "a waiter was never woken, or an error"
    assert sorted(number for greenlet in crowd for number in greenlet.value) == list(range(1, 501))


def test_readers_do_not_wait_for_the_writer(make, quiet):
    storage = make()
    migrate.upgrade(storage.database())
    store = Store.over(storage, quiet)
    writer = sqlite3.connect(storage.path, isolation_level=None)
    writer.execute("begin immediate")
    with gevent.Timeout(2):
        assert store.read(accounts.every) == ()
    writer.execute("rollback")
    writer.close()


def test_the_hub_turns_while_the_database_works(make, quiet):
    storage = make()
    store, ticks = Store.over(storage, quiet), []

    def tick():
        while True:
            ticks.append(1)
            gevent.sleep(0.005)

    ticker = gevent.spawn(tick)
    slow = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000) select max(i) from n"
    store.read(lambda: storage.database().execute_sql(slow).fetchone())
    ticker.kill()
    assert len(ticks) > 3


# -- what may be wrong with the file ---


def garbage(path):
    path.write_bytes(b"this is a letter to my aunt, not a database. " * 200)


def folder(path):
    path.mkdir()


def nowhere(path):
    path.symlink_to("/proc/no/such/folder/db")


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (garbage, "cannot be used: file is not a database"),
        (folder, "cannot be used: unable to open database file"),
        (nowhere, "cannot be made private: "),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_with_the_path(make, quiet, small_ctx, harm, sentence):
    path = small_ctx.state_dir / "zrokd.sqlite3"
    harm(path)
    with pytest.raises(StartError) as caught:
        make()
    assert str(caught.value).startswith(f"the database {path} {sentence}")
    assert "\n" not in str(caught.value)


AS_NOBODY = """
import json, os, sys, logging
from types import SimpleNamespace
from pathlib import Path
sys.path[:0] = json.loads(sys.argv[2])
from zrokd_plugins.storage_sqlite import SqliteSettings, SqliteStorage
from zrokd.errors import StartError
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
ctx = SimpleNamespace(state_dir=Path(sys.argv[1]), offload=lambda f, *a, **k: f(*a, **k))
storage = SqliteStorage(SqliteSettings(), ctx)
try:
    storage.open()
except StartError as error:
    print(error)
finally:
    storage.close()
"""


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "sentence"),
    [(0o555, None, "cannot be made private: Permission denied"), (0o777, 0o644, "cannot be made private: ")],
    ids=["a folder we may not write", "a file of somebody else"],
)
@pytest.mark.skipif(os.getuid() != 0, reason="needs two users")
def test_without_the_right_to_write_it_does_not_start(tmp_path, folder_mode, file_mode, sentence):
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    if file_mode:
        (state_dir / "zrokd.sqlite3").touch(file_mode)
    state_dir.chmod(folder_mode)
    for parent in state_dir.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    command = [sys.executable, "-c", AS_NOBODY, str(state_dir), json.dumps(sys.path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 0, ended.stderr
    assert sentence in ended.stdout and ended.stdout.count("\n") == 1


def test_a_database_can_be_made_without_a_component(tmp_path):
    database = SqliteDatabase(tmp_path / "x.sqlite3")
    assert migrate.upgrade(database) == tuple(step.name for step in migrate.status(database))


def test_a_backup_is_of_one_moment_while_others_write(make, quiet, tmp_path):
    storage = make()
    migrate.upgrade(storage.database())
    store = Store.over(storage, quiet)

    def both(number):
        accounts.add(f"a{number}@example.com", "", 1)
        accounts.add(f"b{number}@example.com", "", 1)

    def write():
        for number in range(5000):
            if len(set(sizes)) > 2:
                return  # a slow disk may take one backup for as long as many writes
            store.write(both, number)

    sizes = []
    writing = gevent.spawn(write)
    while not writing.ready():
        file = tmp_path / f"backup{len(sizes)}"
        quiet(storage.backup, file)
        with closing(sqlite3.connect(file)) as backup:
            sizes.append(backup.execute("select count(*) from account").fetchone()[0])
    writing.get()
    assert not [size for size in sizes if size % 2], "half a transaction"
    assert len(set(sizes)) > 1


# -- connections are kept ---


def connection_of(database):
    with database.connection_context():
        return id(database.connection())


def test_a_connection_is_used_again_in_whatever_thread(make, quiet):
    database = make().database()
    assert len({quiet(connection_of, database) for _ in range(5)} | {connection_of(database)}) == 1


def test_who_uses_one_has_it_alone(make, quiet):
    database = make().database()
    with database.connection_context():
        assert quiet(connection_of, database) != id(database.connection())


def test_none_is_kept_inside_of_a_transaction_that_somebody_left(make):
    database = make().database()
    migrate.upgrade(database)
    with database.connection_context():
        database.connection().execute("begin immediate")
    with database.connection_context():
        assert not database.connection().in_transaction
        database.execute_sql("update meta set value = 'x'")  # nobody holds the lock


def test_none_is_kept_with_rows_that_who_failed_has_read_by_half(make):
    storage = make()
    database = storage.database()
    migrate.upgrade(database)

    def read():
        with database.connection_context(), database.atomic():
            for name in database.execute_sql("select name from schema_migration"):
                raise ValueError(name)

    with pytest.raises(ValueError, match="0001") as held:
        read()
    with closing(sqlite3.connect(storage.path, isolation_level=None)) as other:
        other.execute("delete from schema_migration")
    with database.connection_context(), database.atomic("immediate"):
        assert database.execute_sql("select count(*) from schema_migration").fetchone() == (0,)
    assert held.value.__traceback__


def test_a_file_that_was_replaced_is_seen_at_once(make, small_ctx, tmp_path):
    storage = make()
    migrate.upgrade(storage.database())
    fresh = tmp_path / "fresh.sqlite3"
    with closing(sqlite3.connect(fresh)) as other:
        other.execute("create table other (a)")
    fresh.replace(storage.path)
    for suffix in ("-wal", "-shm"):
        storage.path.with_name(storage.path.name + suffix).unlink(missing_ok=True)
    with storage.database().connection_context():
        assert storage.database().get_tables() == ["other"]


def test_what_is_kept_ends_with_the_storage(make):
    storage = make()
    with storage.database().connection_context():
        kept = storage.database().connection()
    storage.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        kept.execute("select 1")


def test_what_is_in_use_while_the_storage_is_closed_ends_with_its_use(make):
    storage = make()
    with storage.database().connection_context():
        used = storage.database().connection()
        storage.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        used.execute("select 1")
    storage.open()
    with storage.database().connection_context():
        kept = storage.database().connection()
    with storage.database().connection_context():
        assert storage.database().connection() is kept
    storage.close()


def test_a_connection_that_its_thread_left_open_goes_with_the_thread(tmp_path):
    database = SqliteDatabase(tmp_path / "a.sqlite3")
    database.connect()
    left = weakref.ref(database.connection())
    database._state.reset()  # as when a thread ends
    gc.collect()
    assert left() is None
