"""A database."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from zrokd.contracts.component import Component
from zrokd.errors import NotFound


class Storage(Component):
    """Gives the database that `zrokd.store` keeps its tables in."""

    slot = "storage"

    #: Whether its driver blocks the thread it runs in: then every query goes to the host's thread pool.
    blocks: bool = True

    #: Whether it lies in files of the component's own, rather than with a server.
    embedded: bool = True

    @abstractmethod
    def database(self) -> Any:
        """The `peewee.Database`, the same object at every call; connected per use, not yet connected here.

        One of PostgreSQL has a method `session()`: a connection for the caller alone, outside of transactions, with
        `execute` and `close`, which holds the locks by which controllers know each other. It may have `leisure()`: a
        context in which statements of the connection in use may take long.
        """

    def backup(self, file: Path) -> None:
        """Write everything into a new `file`, as it is at one moment; the daemon may run. Blocks.

        :raises NotFound: this storage cannot, or what it needs is not there. :raises StoreError: it failed.
        """
        raise NotFound(f"storage {self.name} has no backup of its own; use that of its server")

    def schema_of(self, file: Path) -> tuple[str, ...]:
        """The migrations that a `file` of `backup` has seen, in their order; the file is whole. Blocks.

        :raises Invalid: it is no such file, or damaged. Others as `backup`.
        """
        raise NotFound(f"storage {self.name} cannot be restored here; use the means of its server")

    def restore(self, file: Path) -> None:
        """Make everything what a `file` of `backup` holds, or nothing. Blocks.

        :raises Invalid: it is no such file. :raises Conflict: somebody uses the database. Others as `backup`.
        """
        raise NotFound(f"storage {self.name} cannot be restored here; use the means of its server")
