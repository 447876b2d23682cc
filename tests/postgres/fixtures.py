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


@pytest.fixture
def new_postgres_database(postgres: Postgres) -> Iterator[Callable[..., Any]]:
    """new_postgres_database(migrated=True): a PostgresDatabase on a database of its own, gone at the test's end."""
    made: list[Any] = []

    def make(*, migrated: bool = False) -> Any:
        name = postgres.create(_template(postgres) if migrated else "template1")
        made.append(open_database(postgres, name))
        return made[-1]

    yield make
    for database in made:
        database.close_idle()
        postgres.drop(database.database)


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
