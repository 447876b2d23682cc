"""Fresh SQLite databases of daemons under test are copied: to migrate each takes longer than most of their tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from zrokd_plugins.role_controller import role
from zrokd_plugins.storage_sqlite import SqliteDatabase

from zrokd.store import migrate


@pytest.fixture(scope="session", autouse=True)
def _fresh_databases_are_copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of controllers in this process. Tests of migrations call them themselves, and processes do all of it."""
    whole = _Whole(tmp_path_factory.mktemp("schema") / "whole.sqlite3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(role, "migrate", SimpleNamespace(upgrade=whole.upgrade, check=migrate.check))
        yield


class _Whole:
    """An empty database of our schema, made when it is needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: tuple[str, ...] = ()

    def upgrade(self, database: Any) -> tuple[str, ...]:
        """As `migrate.upgrade`."""
        if not isinstance(database, SqliteDatabase):
            return migrate.upgrade(database)
        with database.connection_context():
            if database.get_tables():
                return migrate.upgrade(database)
            self._make()
            with closing(sqlite3.connect(self._path)) as source:
                source.backup(database.connection())
        return self._names

    def _make(self) -> None:
        if not self._names:
            database = SqliteDatabase(self._path)
            self._names = migrate.upgrade(database)
            database.close_idle()
