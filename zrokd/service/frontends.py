"""Public entrances, and what they are told."""

from __future__ import annotations

from zrokd.errors import NotFound
from zrokd.model.environment import Identity
from zrokd.model.naming import MappingChanges
from zrokd.service.checks import check_token, check_word
from zrokd.service.core import Core
from zrokd.service.saga import on_overlay
from zrokd.store import frontends, mappings
from zrokd.store.hashing import digest


class Frontends:
    """Frontends of the operator's, by name. (A `Principal.frontend` is such a name.)"""

    def __init__(self, core: Core) -> None:
        self._core = core

    def ensure(self, name: str, token: str) -> None:
        """The frontend of this name, holding this token: as the configuration wants it. Idempotent.

        :raises Conflict: another frontend holds the token. :raises Invalid: name or token cannot be used.
        """
        check_word(name, "name of a frontend")
        check_token(token, f"frontend {name}")
        self._core.store.write(frontends.ensure, name, digest(token), self._core.clock.now_ms())

    def identity(self, name: str) -> Identity:
        """Its overlay identity, made on the first call.

        :raises NotFound: no such frontend. :raises OverlayError: not now.
        """
        self._core.store.read(_require, name)
        return on_overlay(self._core.overlay.create_frontend, name)

    def mappings(self, name: str, epoch: str, since: int, wait_s: float = 0.0) -> MappingChanges:
        """What changed since version `since` of `epoch`; all of it when that cannot be told apart.

        Waits up to `wait_s` seconds when there is nothing to tell; the answer may be empty before, too.
        :raises NotFound: no such frontend.
        """
        heard = self._core.bell.version  # before reading, so that no ring falls between
        changes = self._core.store.read(_changes, name, epoch, since)
        if changes.full or changes.mappings or wait_s <= 0:
            return changes
        self._core.bell.wait(heard, wait_s)
        return self._core.store.read(_changes, name, epoch, since)

    def list(self) -> tuple[str, ...]:
        """All names, sorted."""
        return self._core.store.read(frontends.every)


def _changes(name: str, epoch: str, since: int) -> MappingChanges:
    return mappings.changes(_require(name), epoch, since)


def _require(name: str) -> int:
    row = frontends.find(name)
    if row is None:
        raise NotFound("no such frontend")
    return row
