"""A fresh database: in a file, as the sqlite storage makes it, and on a real PostgreSQL server."""

import functools
import tempfile
from pathlib import Path

import peewee
import pytest

from tests.postgres.fixtures import BOTH
from zrokd.store import migrate
from zrokd.store.database import Store

PRAGMAS = {"journal_mode": "wal", "synchronous": 0, "foreign_keys": 1, "busy_timeout": 5000}


def new_database(path):
    return peewee.SqliteDatabase(str(path), pragmas=PRAGMAS)


@pytest.fixture(params=BOTH)
def kind(request):
    """Which database: `only_sqlite` and `only_postgres` choose one."""
    return request.param


@pytest.fixture
def database(kind, request, tmp_path):
    if kind == "postgres":
        return request.getfixturevalue("new_postgres_database")()
    return new_database(tmp_path / "zrokd.sqlite3")


@functools.cache
def migrated():
    """The bytes of an empty database of our schema; copying them is faster than migrating for each test."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template")
        migrate.upgrade(new_database(path))
        return path.read_bytes()


@pytest.fixture
def store(kind, request, tmp_path):
    if kind == "postgres":
        return Store(request.getfixturevalue("new_postgres_database")(migrated=True))
    path = tmp_path / "zrokd.sqlite3"
    path.write_bytes(migrated())
    return Store(new_database(path))


@pytest.fixture
def open_database(tmp_path):
    """open_database(name): a database in a file of that name."""
    return lambda name: new_database(tmp_path / name)


class Rows:
    """Quick ways to the rows that a test needs to stand on."""

    def __init__(self, store):
        self.store = store

    def account(self, email="ann@example.com"):
        from zrokd.store import accounts

        return self.store.write(accounts.add, email, "", 1)

    def environment(self, account, z_id="z1"):
        from zrokd.model.environment import EnvironmentDraft
        from zrokd.store import environments

        def make():
            row = environments.reserve(account.id, EnvironmentDraft(account_id=account.id, host="h"), 1)
            return environments.make_live(row, z_id, 1)

        return self.store.write(make)

    def share(self, environment, token="tok1", **changes):
        from zrokd.store import shares

        def make():
            row = shares.reserve(environment.id, token, self.draft(environment, **changes), 1)
            shares.make_live(row, 1)
            return shares.by_id(row)

        return self.store.write(make)

    @staticmethod
    def draft(environment, **changes):
        from zrokd.model.share import ShareDraft, ShareMode

        return ShareDraft(**{"env_z_id": environment.z_id, "share_mode": ShareMode.PUBLIC, "mode": "proxy"} | changes)

    def namespace(self, token="public", zone="share.example.com", **changes):
        from zrokd.model.naming import Namespace
        from zrokd.store import namespaces

        return self.store.write(namespaces.add, Namespace(token=token, zone=zone, open=True, **changes), 1)

    def name(self, namespace, account, name="blog", share=None, reserved=True):
        from zrokd.store import names

        def make():
            row = names.add(namespace, account.id, name, 1, reserved=reserved)
            if share:
                names.attach(share.id, row)
            return row

        return self.store.write(make)

    def frontend(self, name="edge", namespaces=()):
        from zrokd.store import frontends
        from zrokd.store import namespaces as noun

        def make():
            frontends.ensure(name, f"digest of {name}", 1)
            row = frontends.find(name)
            for namespace in namespaces:
                noun.set_frontends(namespace, [row])
            return row

        return self.store.write(make)


@pytest.fixture
def rows(store):
    return Rows(store)
