"""Up, down, up again, killed midway, and databases of other versions."""

import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import peewee
import pytest

from tests.postgres.fixtures import only_postgres
from zrokd.errors import NotFound, StartError, StoreError
from zrokd.store import migrate, usage, usage_periods
from zrokd.store.database import Store
from zrokd.store.tables import ALL

KNOWN = (
    "0001_initial",
    "0002_tenants",
    "0003_usage_batch",
    "0004_tokens",
    "0005_audit",
    "0006_overruns",
    "0007_binds",
    "0008_usage_reporters",
    "0009_receipts",
    "0010_awaited_grants",
    "0011_interstitial",
    "0012_outbox",
    "0013_usage_marks",
)
LAST = KNOWN[-1]
BACKWARDS = KNOWN[::-1]

pytestmark = pytest.mark.blocks_hub("changes tables right here, where a daemon does it in the pool")


def tables_of(database):
    with database.connection_context():
        return set(database.get_tables())


def nouns():
    return {table._meta.table_name for table in ALL}


def pretend_newer(database, name="9999_colours"):
    with database.connection_context():
        database.execute_sql(f"insert into schema_migration (name, applied) values ('{name}', '2030-01-01 00:00:00')")


@pytest.fixture
def with_second(monkeypatch, tmp_path):
    """Let there be a second migration with this text; its directory."""

    def add(text, name="9999_colours.py"):
        folder = tmp_path / "migrations"
        if not folder.exists():
            shutil.copytree(migrate._SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / name).write_text(textwrap.dedent(text))
        monkeypatch.setattr(migrate, "_SCRIPTS", folder)
        return folder

    return add


SECOND = """
    import peewee

    class Colour(peewee.Model):
        name = peewee.TextField()

    def up(migrator, db):
        with db.bind_ctx([Colour]):
            db.create_tables([Colour])

    def down(migrator, db):
        with db.bind_ctx([Colour]):
            db.drop_tables([Colour])
"""


def test_a_fresh_database_has_everything_pending(database):
    assert migrate.status(database) == tuple(migrate.Step(name) for name in KNOWN)
    assert migrate.status(database)[0].pending


def test_looking_does_not_change_the_database(database):
    migrate.status(database)
    assert tables_of(database) == set()


def test_an_upgrade_makes_all_tables_and_says_when(database):
    assert migrate.upgrade(database) == KNOWN
    for step in migrate.status(database):
        assert not step.pending and step.known and step.applied_at[:2] == "20"
    assert tables_of(database) == nouns() | {"schema_migration"}


def test_an_upgrade_of_what_is_current_does_nothing(database):
    migrate.upgrade(database)
    assert migrate.upgrade(database) == ()
    migrate.check(database)


def test_down_and_up_again(database):
    migrate.upgrade(database)
    for name in BACKWARDS:
        assert migrate.downgrade(database) == (name,)
    assert tables_of(database) == {"schema_migration"}
    assert migrate.downgrade(database) == ()
    assert migrate.upgrade(database) == KNOWN
    assert nouns() <= tables_of(database)


@pytest.mark.parametrize(
    ("steps", "undone"),
    [(0, ()), (-1, ()), (1, ("9999_colours",)), (2, ("9999_colours", LAST)), (99, ("9999_colours", *BACKWARDS))],
)
def test_a_downgrade_goes_as_many_steps_as_it_is_told(database, with_second, steps, undone):
    with_second(SECOND)
    assert migrate.upgrade(database) == (*KNOWN, "9999_colours")
    assert migrate.downgrade(database, steps) == undone


@pytest.mark.parametrize("to", [*range(len(KNOWN) + 1)])
def test_a_downgrade_goes_down_to_a_number(database, to):
    migrate.upgrade(database, to=5)
    assert migrate.downgrade(database, to=to) == KNOWN[to:5][::-1]


def test_a_downgrade_to_no_migration_touches_nothing(database):
    migrate.upgrade(database)
    with pytest.raises(NotFound, match="no migration has the number 77"):
        migrate.downgrade(database, to=77)
    migrate.check(database)


def test_a_database_that_was_never_upgraded_is_not_run_on(database):
    with pytest.raises(StartError, match=f"has schema none, and this zrokd needs {LAST}: run `zrokd db upgrade`"):
        migrate.check(database)


def test_an_older_schema_is_not_run_on_and_both_versions_are_named(database, with_second):
    migrate.upgrade(database)
    with_second(SECOND)
    with pytest.raises(StartError, match=f"has schema {LAST}, and this zrokd needs 9999_colours"):
        migrate.check(database)


@pytest.mark.parametrize("what", [migrate.check, migrate.upgrade, migrate.downgrade])
def test_a_newer_schema_is_refused_and_both_versions_are_named(database, what):
    migrate.upgrade(database)
    pretend_newer(database)
    with pytest.raises(StartError, match=f"has schema 9999_colours, and this zrokd knows none after {LAST}"):
        what(database)
    assert nouns() <= tables_of(database)


def test_a_newer_schema_can_still_be_looked_at(database):
    migrate.upgrade(database)
    pretend_newer(database)
    assert [(step.name, step.known) for step in migrate.status(database)] == [
        *((name, True) for name in KNOWN),
        ("9999_colours", False),
    ]


BROKEN = """
    def up(migrator, db):
        db.execute_sql("create table half (a integer)")
        db.execute_sql("selec nonsense")
"""


def test_an_upgrade_that_fails_leaves_the_schema_as_it_was(database, with_second):
    with_second(BROKEN)
    with pytest.raises(StoreError, match="selec"):
        migrate.upgrade(database)
    assert "half" not in tables_of(database)
    assert [step.pending for step in migrate.status(database)] == [*(False for _ in KNOWN), True]
    with_second(SECOND)
    assert migrate.upgrade(database) == ("9999_colours",)


KILLED = """
    import os

    def up(migrator, db):
        db.execute_sql("create table half (a integer)")
        db.execute_sql("insert into half values (1)")
        os._exit(9)
"""

CHILD = """
import sys, pathlib, peewee
from zrokd.store import migrate, usage, usage_periods
migrate._SCRIPTS = pathlib.Path(sys.argv[2])
migrate.upgrade(peewee.SqliteDatabase(sys.argv[1], pragmas={"journal_mode": "wal"}))
"""


CHILD_ON_POSTGRES = """
import sys, pathlib
from zrokd_plugins.storage_postgres.database import PostgresDatabase
from zrokd_plugins.storage_postgres.settings import PostgresSettings
from zrokd.store import migrate, usage, usage_periods
migrate._SCRIPTS = pathlib.Path(sys.argv[2])
migrate.upgrade(PostgresDatabase(PostgresSettings(host=sys.argv[3], database=sys.argv[1], tls="disable")))
"""


def run_child(kind, database, folder, request):
    further = [str(request.getfixturevalue("postgres").folder)] if kind == "postgres" else []
    program = CHILD_ON_POSTGRES if further else CHILD
    command = [sys.executable, "-c", program, database.database, str(folder), *further]
    return subprocess.run(command, check=False, timeout=60).returncode


def test_an_upgrade_killed_midway_can_be_run_again(kind, database, with_second, request):
    folder = with_second(KILLED)
    assert run_child(kind, database, folder, request) == 9
    assert tables_of(database) == nouns() | {"schema_migration"}
    assert [step.pending for step in migrate.status(database)] == [*(False for _ in KNOWN), True]
    with_second(SECOND)
    assert migrate.upgrade(database) == ("9999_colours",)
    assert [step.pending for step in migrate.status(database)] == [*(False for _ in KNOWN), False]


@only_postgres
def test_controllers_that_upgrade_at_once_wait_for_each_other(database):
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(migrate.upgrade, database) for _ in range(8)]
    assert sorted(one.result(20) for one in done) == [()] * 7 + [KNOWN]


def test_data_survives_an_upgrade(database, with_second):
    from zrokd.store import accounts

    migrate.upgrade(database)
    store = Store(database)
    store.write(accounts.add, "ann@example.com", "", 1)
    with_second(SECOND)
    migrate.upgrade(database)
    assert [account.email for account in store.read(accounts.every)] == ["ann@example.com"]


def test_what_is_not_a_database_is_said_so(tmp_path):
    file = tmp_path / "zrokd.sqlite3"
    file.write_bytes(b"not a database at all, but long enough to be read as a header..." * 20)
    with pytest.raises(StoreError, match="the file is not a database"):
        migrate.status(peewee.SqliteDatabase(str(file)))


def test_frontends_of_an_older_schema_are_called_by_a_token_afterwards(database):
    migrate.upgrade(database, to=1)
    with database.connection_context():
        for name in ("edge", "other"):
            values = f"('{name}', '{name}', 1, 1)"
            database.execute_sql(f"insert into frontend (name, digest, created_at_ms, updated_at_ms) values {values}")
    migrate.upgrade(database)
    with database.connection_context():
        tokens = [token for (token,) in database.execute_sql("select token from frontend").fetchall()]
    assert len(set(tokens)) == 2 and all(tokens)
    assert migrate.downgrade(database, len(KNOWN) - 1) == BACKWARDS[:-1]
    with database.connection_context():
        assert database.execute_sql("select name from frontend order by name").fetchall() == [("edge",), ("other",)]


@pytest.mark.parametrize("samples", [True, False])  # they are forgotten after some hours
def test_sums_of_usage_count_the_same_before_and_after_their_upgrade_and_when_it_is_taken_back(database, samples):
    hour_ms, t0 = 3_600_000, 20_000 * 86_400_000
    names = "id, email, password_hash, limitless, created_at_ms, updated_at_ms"
    migrate.upgrade(database, to=12)
    with database.connection_context():
        run = database.execute_sql
        run(f"insert into account ({names}) values (1, 'ann@example.com', '', false, 1, 1)")
        add = "insert into {} (account_id, env_z_id, share_token, tx_bytes, {}) values (1, 'z', 't', 0, {})"
        for at_ms in (t0, t0 + hour_ms, t0 + hour_ms + 1) if samples else ():  # as they were kept, each with its sums
            run(add.format("usage_sample", "rx_bytes, at_ms", f"1, {at_ms}"))
        for span_s, after_ms, rx in ((300, 0, 1), (300, hour_ms, 2), (3600, 0, 1), (3600, hour_ms, 2), (86400, 0, 3)):
            run(add.format("usage_period", "rx_bytes, span_s, begin_ms", f"{rx}, {span_s}, {t0 + after_ms}"))
    migrate.upgrade(database)
    store = Store(database)
    assert store.read(usage.total, 1, t0, t0 + 2 * hour_ms) == (3, 0)
    assert store.read(usage_periods.sealed_ms) == t0 + hour_ms + 300_000
    migrate.downgrade(database)
    with database.connection_context():
        left = database.execute_sql("select span_s, rx_bytes from usage_period order by span_s, begin_ms").fetchall()
    assert [tuple(row) for row in left] == [(300, 1), (300, 2), (3600, 1), (3600, 2), (86400, 3)]
