"""Storage on a PostgreSQL server, version 15 or newer: for several controllers, which all serve. `zrokd[postgres]`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zrokd import hookimpl
from zrokd.contracts import Health, Storage
from zrokd.errors import StartError

from .settings import PostgresSettings

if TYPE_CHECKING:
    from .database import PostgresDatabase

_OLDEST = 150000  # as libpq counts: 15.0


class PostgresStorage(Storage):
    """One database. Its queries run in the host's threads: rows become objects there, beside the hub and not on it."""

    name = "postgres"
    Settings = PostgresSettings
    blocks = True
    embedded = False

    _database: PostgresDatabase | None = None

    def open(self) -> None:
        """Find out that it can be used. :raises StartError: it cannot; says why."""
        self.ctx.offload(self._open)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        if self._database is not None:
            self._database.close_idle()

    def health(self) -> Health:
        """Whether the server answered the last time somebody asked."""
        trouble = self._database.trouble if self._database is not None else ""
        return Health(ok=not trouble, detail=f"the database is away: {trouble}" if trouble else "")

    def database(self) -> PostgresDatabase:
        """The database, the same object at every call; connected per use. :raises StartError: the driver is missing."""
        if self._database is None:
            try:
                from .database import PostgresDatabase
            except ImportError as error:
                raise StartError("storage postgres needs the driver psycopg: install zrokd[postgres]") from error
            self._database = PostgresDatabase(self.settings, self.ctx.log)
        return self._database

    def backup(self, file: Path) -> None:
        """As the contract says, by the server's own `pg_dump`."""
        from .dump import dump

        dump(self.database().conninfo, file, self.settings.leisure)

    def schema_of(self, file: Path) -> tuple[str, ...]:
        """As the contract says."""
        from .dump import schema_of

        return schema_of(file, self.settings.leisure)

    def restore(self, file: Path) -> None:
        """As the contract says, by the server's own `pg_restore`, in one transaction."""
        from .dump import restore

        restore(self.database().conninfo, file, self.settings.leisure)

    def _open(self) -> None:
        import peewee

        database, where = self.database(), f"the database {self.settings.database} at {self.settings.host}"
        try:
            with database.connection_context():
                version: int = database.server_version
        except peewee.PeeweeException as error:
            raise StartError(f"{where} cannot be used: {' '.join(str(error).split())}") from error
        if version < _OLDEST:
            raise StartError(f"{where} is PostgreSQL {version // 10000}; zrokd needs {_OLDEST // 10000} or newer")


@hookimpl
def zrokd_provide_storages() -> Sequence[type[Storage]]:
    """The one class of this module."""
    return [PostgresStorage]
