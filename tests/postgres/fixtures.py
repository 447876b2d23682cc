"""Fixtures over a real PostgreSQL: `python3 dev.py test --postgres`. What uses one of them is marked `postgres`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.postgres.server import NoPostgres, Postgres
from zrokd.store import migrate

#: For parameters of fixtures that come on both databases.
BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
#: For tests of what only one of them has, whose fixture `kind` has BOTH as parameters.
only_sqlite = pytest.mark.parametrize("kind", BOTH[:1], indirect=True)
only_postgres = pytest.mark.parametrize("kind", BOTH[1:], indirect=True)


@pytest.fixture(scope="session", autouse=True)
def _server_first(request: pytest.FixtureRequest) -> None:
    """Before the first test, so that no test seems to have left the server's process behind."""
    if request.config.getoption("postgres"):
        request.getfixturevalue("postgres")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One running server for all tests that do not break it. Where there is none: skips, says why; in CI fails."""
    yield from _server()


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A running server of the test's own, to be broken."""
    yield from _server()


def _server() -> Iterator[Postgres]:
    try:
        server = Postgres()
    except NoPostgres as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="session")
def _emptied(postgres: Postgres) -> Emptied:
    return Emptied(postgres)


@pytest.fixture
def new_postgres_database(postgres: Postgres, _emptied: Emptied) -> Iterator[Callable[..., Any]]:
    """new_postgres_database(migrated=True): a PostgresDatabase on a database of its own, as if nobody had used it."""
    made: list[Any] = []
    lent: list[str] = []

    def make(*, migrated: bool = False) -> Any:
        name = _emptied.take() if migrated else postgres.create()
        lent.extend([name] * migrated)
        made.append(open_database(postgres, name))
        return made[-1]

    yield make
    for database in made:
        database.close_idle()
        if database.database in lent:
            _emptied.give_back(database.database)
        else:
            postgres.drop(database.database)


class Emptied:
    """Databases of our schema without rows. To empty one takes a few milliseconds, to create one a hundred."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._spare: list[str] = []

    def take(self) -> str:
        """The name of one."""
        return self._spare.pop() if self._spare else self._server.create(_template(self._server))

    def give_back(self, name: str) -> None:
        """Somebody is done with it; when its schema is not what it was, it is dropped."""
        with self._server.connection(name) as connection:
            connection.execute(_OTHERS_GO)
            if connection.execute(_SCHEMA).fetchone() == _shape(self._server):
                connection.execute(_EMPTY)
                self._spare.append(name)
                return
        self._server.drop(name)


_OTHERS_GO = """
select pg_terminate_backend(pid, 5000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
"""
_SCHEMA = """
select md5(string_agg(concat(relname, ' ', relkind, relnatts), ',' order by relname)),
    (select string_agg(name, ',' order by name) from schema_migration)
from pg_class where relnamespace = 'public'::regnamespace
"""
# Without rules between tables, so in any order; numbers begin anew.
_EMPTY = """
set session_replication_role = replica;
do $$ declare one record; begin
    for one in select tablename from pg_tables where schemaname = 'public' and tablename <> 'schema_migration' loop
        execute format('delete from %I', one.tablename);
    end loop;
end $$;
select setval(oid, 1, false) from pg_class where relkind = 'S' and relnamespace = 'public'::regnamespace;
"""


@functools.cache
def _shape(server: Postgres) -> Any:
    with server.connection(_template(server)) as connection:
        return connection.execute(_SCHEMA).fetchone()


def open_database(server: Postgres, name: str, **changes: Any) -> Any:
    """A PostgresDatabase on the server; close its idle connections."""
    from zrokd_plugins.storage_postgres.database import PostgresDatabase
    from zrokd_plugins.storage_postgres.settings import PostgresSettings

    return PostgresDatabase(PostgresSettings(**settings(server, name, **changes)))


def settings(server: Postgres, name: str, **changes: Any) -> dict[str, Any]:
    """What a configuration says to reach it."""
    return {"host": str(server.folder), "database": name, "user": "zrokd", "tls": "disable", **changes}


@functools.cache
def _template(server: Postgres) -> str:
    """An empty database of our schema; copying it is faster than migrating for each test."""
    name = server.create()
    database = open_database(server, name)
    migrate.upgrade(database)
    database.close_idle()
    return name
