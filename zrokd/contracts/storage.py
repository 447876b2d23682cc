"""A database."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from zrokd.contracts.component import Component


class Storage(Component):
    """Gives the database that `zrokd.store` keeps its tables in."""

    slot = "storage"

    #: Whether its driver blocks the thread it runs in: then every query goes to the host's thread pool.
    blocks: bool = True

    @abstractmethod
    def database(self) -> Any:
        """The `peewee.Database`, the same object at every call; connected per use, not yet connected here."""
