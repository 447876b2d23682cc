import signal
import socket
import subprocess
import sys
import time

import gevent
import pytest
from zrokd_plugins.storage_postgres import PostgresStorage, zrokd_provide_storages
from zrokd_plugins.storage_postgres.connection import Connection
from zrokd_plugins.storage_postgres.settings import PostgresSettings

from tests.postgres.fixtures import settings
from zrokd.errors import Invalid, NotFound, StartError, StoreError
from zrokd.model.units import Secret
from zrokd.store import accounts, meta, migrate
from zrokd.store.database import Store
from zrokd.store.dialects import WRITER


class Quiet:
    """A context whose threads keep what they raise for the caller."""

    def __init__(self, ctx):
        self.state_dir, self.log, self._ctx = ctx.state_dir, ctx.log, ctx

    def offload(self, function, *args, **kwargs):
        def caught():
            try:
                return function(*args, **kwargs), None
            except Exception as error:
                return None, error

        result, error = self._ctx.offload(caught)
        if error:
            raise error
        return result


@pytest.fixture
def make(small_ctx):
    """make(server, database, ...): an open storage."""
    made = []

    def build(server, database, **changes):
        made.append(PostgresStorage(PostgresSettings(**settings(server, database, **changes)), Quiet(small_ctx)))
        made[-1].open()
        return made[-1]

    yield build
    for storage in made:
        storage.close()


@pytest.fixture
def storage(make, postgres):
    return make(postgres, postgres.create())


@pytest.fixture
def fragile(make, own_postgres):
    """A storage whose server the test may break, and a store in it."""
    storage = make(own_postgres, own_postgres.create())
    return storage, store_in(storage)


def store_in(storage):
    storage.ctx.offload(migrate.upgrade, storage.database())
    return Store.over(storage, storage.ctx.offload)


def took(function, *args):
    """(seconds, error) of a call that may fail."""
    begun = time.monotonic()
    try:
        function(*args)
    except StoreError as error:
        return time.monotonic() - begun, str(error)
    return time.monotonic() - begun, ""


def until_it_works(function, *args, limit_s=5.0):
    """Seconds until a call works."""
    begun = time.monotonic()
    while sentence := took(function, *args)[1]:
        assert time.monotonic() - begun < limit_s, sentence
        gevent.sleep(0.02)
    return time.monotonic() - begun


# -- settings and start ---


def test_the_driver_is_loaded_only_by_who_uses_it():
    code = "import sys, zrokd_plugins.storage_postgres; assert not {'psycopg', 'peewee'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_storages()] == ["postgres"]


def test_without_the_driver_the_start_says_what_to_install(small_ctx, monkeypatch):
    monkeypatch.setitem(sys.modules, "zrokd_plugins.storage_postgres.database", None)
    with pytest.raises(StartError, match=r"install zrokd\[postgres\]"):
        PostgresStorage(PostgresSettings(), Quiet(small_ctx)).open()


def test_a_server_that_is_not_there_is_told_at_the_start_without_the_password(small_ctx, tmp_path):
    wanted = PostgresSettings(host=str(tmp_path), database="d", password=Secret("s3cret"))
    with pytest.raises(StartError, match=f"the database d at {tmp_path} cannot be used: .*No such file") as caught:
        PostgresStorage(wanted, Quiet(small_ctx)).open()
    assert "s3cret" not in str(caught.value)


def test_a_port_where_nobody_ever_answers_is_given_up_in_time(small_ctx):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        storage = PostgresStorage(PostgresSettings(host="127.0.0.1", port=port, connect=0.3), Quiet(small_ctx))
        begun = time.monotonic()
        with pytest.raises(StartError, match="connecting took too long"):
            storage.open()
        assert time.monotonic() - begun < 1.5
        assert not storage.health().ok


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"database": "nowhere"}, 'database "nowhere" does not exist'), ({"user": "eve"}, 'role "eve" does not exist')],
)
def test_what_the_server_refuses_is_told_at_the_start(make, postgres, changes, sentence):
    with pytest.raises(StartError, match=sentence):
        make(postgres, **{"database": "postgres"} | changes)


@pytest.mark.postgres
def test_an_older_server_is_refused(make, postgres, monkeypatch):
    monkeypatch.setattr("zrokd_plugins.storage_postgres._OLDEST", 990000)
    with pytest.raises(StartError, match="needs 99 or newer"):
        make(postgres, "postgres")


# -- connections ---


@pytest.mark.postgres
def test_connections_are_kept_for_the_next_use_and_given_back_at_the_end(storage, postgres):
    store = store_in(storage)
    count = f"select count(*) from pg_stat_activity where datname = '{storage.settings.database}'"
    for _ in range(20):
        store.read(accounts.every)
    assert postgres.sql(count) == [(1,)]
    storage.close()
    storage.close()
    until = time.monotonic() + 5
    while postgres.sql(count) != [(0,)]:
        assert time.monotonic() < until
        gevent.sleep(0.01)


@pytest.mark.postgres
def test_the_hub_turns_while_the_database_works_and_while_rows_become_objects(storage):
    store, ticks = store_in(storage), []

    def tick():
        while True:
            ticks.append(1)
            gevent.sleep(0.005)

    ticker = gevent.spawn(tick)
    store.read(lambda: storage.database().execute_sql("select pg_sleep(0.3)"))
    ticker.kill()
    assert len(ticks) > 20


@pytest.mark.postgres
def test_a_transaction_that_failed_leaves_a_connection_of_use(storage):
    store = store_in(storage)
    for text in ("selec", "select nothing", "select * from nowhere"):
        assert took(store.write, storage.database().execute_sql, text)[1]
    store.write(accounts.add, "ann@example.com", "", 1)


# -- limits ---


@pytest.mark.postgres
def test_a_statement_that_takes_too_long_is_ended(make, postgres):
    storage = make(postgres, postgres.create(), statement=0.2)
    store = store_in(storage)
    seconds, sentence = took(store.read, storage.database().execute_sql, "select pg_sleep(9)")
    assert (seconds < 1, sentence) == (True, "the database takes too long; try again")
    assert store.read(accounts.every) == ()


@pytest.fixture
def writing():
    """writing(storage): a connection in the middle of a write; give it back by `close`."""
    made = []

    def begin(storage):
        made.append(storage.database().session())
        made[-1].execute("begin")
        made[-1].execute(f"select pg_advisory_xact_lock({WRITER})")
        return made[-1]

    yield begin
    for session in made:
        session.close()


@pytest.mark.postgres
def test_a_writer_does_not_wait_for_ever_and_a_reader_not_at_all(make, postgres, writing):
    storage = make(postgres, postgres.create(), lock=0.2)
    store = store_in(storage)
    other = writing(storage)
    seconds, sentence = took(store.write, meta.next_version)
    assert (seconds < 1, sentence) == (True, "the database is busy with somebody else's change; try again")
    assert store.read(accounts.every) == ()
    other.execute("rollback")
    assert store.write(meta.next_version) == 1


@pytest.mark.postgres
def test_a_controller_that_falls_silent_inside_a_transaction_is_cut_off(make, postgres, writing):
    storage = make(postgres, postgres.create(), idle_transaction=0.3)
    store = store_in(storage)
    silent = writing(storage)
    assert until_it_works(store.write, meta.next_version) < 1.5
    assert not silent.quiet


# -- away and back ---


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_a_server_that_went_away_is_told_at_once_and_used_again_when_it_is_back(fragile, own_postgres, how):
    storage, store = fragile
    store.write(accounts.add, "ann@example.com", "", 1)
    own_postgres.stop(how)
    for function in (store.read, store.write, store.read):
        seconds, sentence = took(function, accounts.every)
        assert (seconds < 1.9, sentence) == (True, "the database does not answer; try again")
    assert not storage.health().ok and "the database is away" in storage.health().detail
    own_postgres.start()
    assert until_it_works(store.read, accounts.every) < 5
    assert [account.email for account in store.read(accounts.every)] == ["ann@example.com"]
    assert storage.health().ok


@pytest.mark.postgres
@pytest.mark.slow
def test_a_restart_between_two_uses_is_not_noticed(fragile, own_postgres):
    _, store = fragile
    store.read(accounts.every)
    own_postgres.stop()
    own_postgres.start()
    assert took(store.read, accounts.every)[1] == ""


@pytest.mark.postgres
@pytest.mark.slow
def test_a_server_that_stands_still_holds_nobody_for_two_seconds(fragile, own_postgres):
    """Forty ask at once, with fewer threads than that; then more of them, while it still stands."""
    storage, store = fragile
    store.read(accounts.every)
    own_postgres.pause()
    asking = [gevent.spawn(took, store.read, accounts.every) for _ in range(40)]
    gevent.joinall(asking, timeout=20)
    assert max(one.value[0] for one in asking) < 2
    assert {one.value[1] for one in asking} == {"the database does not answer; try again"}
    seconds = sorted(took(store.write, meta.next_version)[0] for _ in range(10))
    assert seconds[-1] < 1.5 and seconds[0] < 0.05, "most are told at once"
    own_postgres.resume()
    assert until_it_works(store.write, meta.next_version) < 5
    assert storage.health().ok


# -- backup and restore ---


@pytest.mark.postgres
@pytest.mark.slow
def test_a_backup_brings_back_what_was_there_while_others_go_on(storage, make, postgres, tmp_path):
    store = store_in(storage)
    store.write(accounts.add, "ann@example.com", "", 1)
    storage.backup(tmp_path / "backup")
    store.write(accounts.add, "bob@example.com", "", 1)
    store.write(lambda: storage.database().execute_sql("create table of_a_newer_zrokd (a integer)"))
    storage.restore(tmp_path / "backup")
    assert "of_a_newer_zrokd" not in store.read(storage.database().get_tables)
    assert [account.email for account in store.read(accounts.every)] == ["ann@example.com"]
    store.write(accounts.add, "cleo@example.com", "", 1)

    elsewhere = make(postgres, postgres.create())
    elsewhere.restore(tmp_path / "backup")
    assert [account.email for account in store_in(elsewhere).read(accounts.every)] == ["ann@example.com"]


@pytest.mark.postgres
def test_what_is_no_backup_of_ours_changes_nothing(storage, make, postgres, tmp_path):
    store = store_in(storage)
    (tmp_path / "letter").write_text("dear aunt")
    with pytest.raises(Invalid, match="is no backup of a PostgreSQL database"):
        storage.restore(tmp_path / "letter")
    make(postgres, postgres.create()).backup(tmp_path / "strange")
    with pytest.raises(Invalid, match="is no backup of a zrokd database"):
        storage.restore(tmp_path / "strange")
    assert store.read(accounts.every) == ()


@pytest.mark.postgres
def test_without_the_servers_programs_a_backup_says_what_to_install(storage, tmp_path, monkeypatch):
    monkeypatch.setattr("zrokd_plugins.storage_postgres.dump._DEBIAN", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFound, match="program pg_dump; install postgresql-client"):
        storage.backup(tmp_path / "backup")


@pytest.mark.postgres
def test_a_backup_that_fails_says_why(storage, postgres, tmp_path):
    with pytest.raises(StoreError, match="pg_dump failed: .*No such file or directory"):
        storage.backup(tmp_path / "no" / "folder" / "backup")


@pytest.mark.postgres
def test_the_password_is_not_among_the_arguments(make, postgres, tmp_path, monkeypatch):
    seen = []
    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **how: seen.append(command) or real(command, **how))
    make(postgres, postgres.create(), password=Secret("s3cret")).backup(tmp_path / "backup")
    assert seen and not any("s3cret" in word for command in seen for word in command)


@pytest.mark.postgres
def test_a_session_is_the_callers_alone(storage):
    session = storage.database().session()
    assert isinstance(session, Connection)
    assert session.execute("select pg_try_advisory_lock(7)").fetchone() == (True,)
    session.close()


@pytest.mark.postgres
@pytest.mark.slow
def test_over_tcp_the_server_finds_out_when_our_machine_is_gone(make, own_postgres):
    """The locks of a controller last as long as its session."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own_postgres.stop()
    own_postgres.settings |= {"listen_addresses": "127.0.0.1", "port": str(port)}
    own_postgres.start()
    storage = make(own_postgres, "postgres", host="127.0.0.1", port=port)
    session = storage.database().session()
    assert session.execute("show tcp_keepalives_idle").fetchone() == ("10",)
    session.close()
