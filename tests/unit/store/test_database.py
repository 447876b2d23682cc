"""Transactions, threads, and a database that does not do it."""

import os
import resource
import sqlite3
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import peewee
import pytest

from tests.postgres.fixtures import only_postgres, only_sqlite
from zrokd.errors import Conflict, Invalid, StoreError, StoreLocked, StoreUnfit, ZrokdError
from zrokd.store import accounts, fitness, meta, tables
from zrokd.store.database import Store, direct


def add(email="ann@example.com"):
    return accounts.add(email, "", 1)


def emails(store):
    return [account.email for account in store.read(accounts.every)]


def test_what_a_function_returns_comes_back(store):
    assert store.write(add).email == "ann@example.com"
    assert store.read(accounts.by_email, "ann@example.com").email == "ann@example.com"
    assert store.read(lambda *, of: of, of=7) == 7


def test_a_write_is_undone_whole_when_its_function_raises(store):
    def half():
        add("ann@example.com")
        add("bob@example.com")
        raise Invalid("no")

    with pytest.raises(Invalid, match="^no$"):
        store.write(half)
    assert emails(store) == []


def test_no_connection_stays_open_after_use(store):
    store.write(add)
    store.read(accounts.every)
    with pytest.raises(ZeroDivisionError):
        store.read(lambda: 1 / 0)
    assert store.database.is_closed()


def test_a_read_sees_one_moment(store):
    store.write(add)

    def look_twice():
        before = len(accounts.every())
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(store.write, add, "eve@example.com").result(10)
        return before, len(accounts.every())

    assert store.read(look_twice) == (1, 1)
    assert len(emails(store)) == 2


def test_everything_goes_through_offload(database):
    from zrokd.store import migrate

    calls = []

    def offload(function, *args, **kwargs):
        calls.append(function)
        return function(*args, **kwargs)

    migrate.upgrade(database)
    store = Store(database, offload)
    store.write(add)
    store.read(accounts.every)
    assert len(calls) == 2


@pytest.mark.parametrize("blocks", [True, False])
def test_a_driver_that_does_not_block_stays_on_the_hub(database, blocks):
    def offload(function, *args, **kwargs):
        return function(*args, **kwargs)

    store = Store.over(SimpleNamespace(database=lambda: database, blocks=blocks), offload)
    assert store.database is database
    assert (store.offload is offload) == blocks
    assert (store.offload is direct) == (not blocks)


def test_writers_wait_for_each_other_and_none_is_lost(store):
    def count():
        before = meta.version()
        return meta.next_version() - before

    with ThreadPoolExecutor(16) as pool:
        steps = list(pool.map(lambda _: store.write(count), range(200)))
    assert steps == [1] * 200
    assert store.read(meta.version) == 200


def test_a_broken_rule_that_nobody_words_is_still_ours(store):
    with pytest.raises(Conflict, match="somebody else changed the same"):
        store.write(lambda: tables.AccountToken.create(account=1, digest="d", created_at_ms=1))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"created_at_ms": 2**70}, id="too large"),
        pytest.param({"email": "\ud800"}, id="not text"),
    ],
)
def test_a_value_that_fits_no_column_is_the_callers_fault(store, values):
    with pytest.raises(Invalid, match="cannot be stored"):
        store.write(lambda: tables.Account.update(values).execute())


@only_postgres
@pytest.mark.parametrize("values", [{"email": "a\0b"}, {"email": "a" * 300}], ids=["with a zero", "too long"])
def test_what_only_postgresql_refuses_is_the_callers_fault_too(store, values):
    with pytest.raises(Invalid, match="cannot be stored"):
        store.write(lambda: tables.Account.update(values).execute())


# -- a database that does not do it ---


def hold_lock(database):
    other = sqlite3.connect(database.database, isolation_level=None)
    other.execute("begin immediate")
    return other.close


def make_readonly(database):
    database._pragmas = [("query_only", 1)]
    return lambda: None


def lose_folder(database):
    database.database = "/proc/no/such/folder/zrokd.sqlite3"
    return lambda: None


def drop_table(database):
    with database.connection_context():
        database.execute_sql("drop table account")
    return lambda: None


def scribble(database):
    with database.connection_context():
        database.execute_sql("pragma wal_checkpoint(truncate)")
    file = Path(database.database)
    file.write_bytes(file.read_bytes()[:100] + os.urandom(file.stat().st_size - 100))
    return lambda: None


@only_sqlite
@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (hold_lock, "the database is locked by another program; try again"),
        (make_readonly, "the database is read-only: its file or folder cannot be written"),
        (lose_folder, "the database cannot be opened: is its folder there, and may we write in it?"),
        (drop_table, "the database has another schema than this zrokd; run `zrokd db upgrade`"),
        (scribble, "the database is damaged; restore it from a backup"),
    ],
)
def test_each_way_to_fail_has_one_sentence(store, harm, sentence):
    store.write(lambda: [add(f"{n}@example.com") for n in range(200)])
    store.database._pragmas = [*store.database._pragmas, ("busy_timeout", 10)]
    repair = harm(store.database)
    with pytest.raises(StoreError) as caught:
        store.write(add)
    repair()
    assert str(caught.value) == sentence
    assert caught.value.retry_after_s > 0
    assert store.database.is_closed()


def test_another_error_of_the_driver_keeps_its_text(store):
    with pytest.raises(StoreError, match="does not do it: .*near"):
        store.read(lambda: store.database.execute_sql("selec"))


FULL = """
    import resource, signal, sys
    import peewee
    from zrokd.errors import StoreError
    from zrokd.store import accounts, migrate
    from zrokd.store.database import Store

    path = sys.argv[1]
    database = peewee.SqliteDatabase(path, pragmas={"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1})
    migrate.upgrade(database)
    store = Store(database)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft = 2 * 2**20
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
    kept = 0
    try:
        while True:
            store.write(accounts.add, f"{kept}@example.com", "x" * 20000, 1)
            kept += 1
    except StoreError as error:
        print(error)
    assert len(store.read(accounts.every)) == kept, "reading still works and nothing committed is lost"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.write(accounts.add, "after@example.com", "", 1)
    with database.connection_context():
        assert database.execute_sql("pragma integrity_check").fetchone() == ("ok",)
    print(kept)
"""


def run_full(path):
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    sentence, kept = ended.stdout.splitlines()
    assert int(kept) > 10
    return sentence


def test_a_file_that_may_not_grow_is_told_and_loses_nothing(tmp_path):
    sentence = run_full(tmp_path / "zrokd.sqlite3")
    assert sentence in {"the disk under the database fails", "the disk under the database is full"}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB; skipped where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, check=False, timeout=10
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=10)


def test_a_full_disk_is_told_and_what_was_committed_stays(small_disk, open_database):
    from zrokd.store import migrate

    database = open_database(small_disk / "zrokd.sqlite3")
    migrate.upgrade(database)
    store, kept = Store(database), 0
    with pytest.raises(StoreError, match="^the disk under the database is full$"):
        while True:
            store.write(accounts.add, f"{kept}@example.com", "x" * 50000, 1)
            kept += 1
    assert len(emails(store)) == kept > 10
    with database.connection_context():
        assert database.execute_sql("pragma integrity_check").fetchone() == ("ok",)


# -- a trouble for the operator ---


@pytest.fixture
def full(store):
    """full(yes): whether the file may grow."""
    pages = []

    def limit(yes):
        with store.database.connection_context():
            pages[:] = [store.database.execute_sql("pragma page_count").fetchone()[0] if yes else 2**30]

    connect = store.database._connect

    def limited():
        connection = connect()
        if pages:
            connection.execute(f"pragma max_page_count = {pages[0]}").fetchall()
        return connection

    store.database._connect = limited
    return limit


def told(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "zrokd.store"]


@only_sqlite
def test_a_trouble_is_told_once_and_once_when_it_is_over(store, full, caplog):
    full(True)
    for number in range(3):
        with pytest.raises(StoreUnfit):
            store.write(accounts.add, f"{number}@example.com", "x" * 50000, 1)
    store.write(meta.instance_id)  # a small change finds room, which is no end of the trouble
    assert store.trouble == "the disk under the database is full"
    with pytest.raises(StoreUnfit):
        store.look_again()
    assert told(caplog) == ["the database takes no changes: the disk under the database is full"]
    full(False)
    assert store.trouble
    store.look_again()
    store.look_again()
    assert store.trouble == ""
    assert told(caplog)[1:] == ["the database takes changes again"]
    assert store.read(lambda: tables.Meta.select().where(tables.Meta.key == "trial").count()) == 0


def test_a_trouble_that_no_trial_finds_is_not_told_again_and_again(store, monkeypatch, caplog):
    now_s = [1000.0]
    monkeypatch.setattr(fitness.time, "monotonic", lambda: now_s[0])

    def refuse():
        raise StoreUnfit("damaged")

    ready = []
    for _ in range(200):  # a table that is written to every five seconds
        with pytest.raises(StoreUnfit):
            store.write(refuse)
        now_s[0] += 2
        store.look_again()
        ready.append(not store.trouble)
        now_s[0] += 3
    assert (ready.index(True), sum(ready)) == (0, 1)
    assert told(caplog) == [
        "the database takes no changes: damaged", "the database takes changes again",
        "the database takes no changes: damaged",
    ]  # fmt: skip
    now_s[0] += 60
    store.look_again()
    assert store.trouble == ""


def test_a_trouble_that_reading_meets_is_told_too(store, caplog):
    def refuse():
        raise StoreUnfit("the disk under the database fails")

    for _ in range(3):
        with pytest.raises(StoreUnfit):
            store.read(refuse)
    assert store.trouble == "the disk under the database fails"
    assert told(caplog) == ["the database takes no changes: the disk under the database fails"]


def test_who_has_no_trouble_tries_nothing(store):
    store.write = lambda *_: pytest.fail("it tried")
    store.look_again()


@pytest.mark.parametrize("refusal", [StoreLocked("locked"), StoreError("away"), Conflict("taken"), KeyError("ours")])
def test_what_is_no_operators_business_is_no_trouble(store, refusal, caplog):
    def refuse():
        raise refusal

    with pytest.raises(type(refusal)):
        store.write(refuse)
    assert (store.trouble, told(caplog)) == ("", [])


def test_foreign_errors_do_not_leave_the_store(store):
    for text in ("selec", "select * from nowhere", "insert into account values (1)"):
        with pytest.raises(ZrokdError):
            store.write(lambda text=text: store.database.execute_sql(text))
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert isinstance(store.database, peewee.Database)
