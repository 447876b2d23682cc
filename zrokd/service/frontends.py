"""Public entrances, and what they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from zrokd.errors import NotFound
from zrokd.model.environment import Identity
from zrokd.model.frontend import Frontend
from zrokd.model.naming import MappingChanges, new_token
from zrokd.service.checks import check_email, check_text, check_token, check_word
from zrokd.service.core import Core
from zrokd.service.saga import on_overlay
from zrokd.store import accounts, audit, frontends, grants, identities, mappings, receipts
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
        self._core.store.write(self._ensure, name, digest(token))

    def identity(self, name: str) -> Identity:
        """Its overlay identity, made on the first call.

        :raises NotFound: no such frontend. :raises OverlayError: not now.
        """
        self._core.store.read(_require, name)
        identity = on_overlay(self._core.overlay.create_frontend, name)
        self._core.store.write(frontends.note_identity, name, identity.z_id)
        return identity

    def mappings(self, name: str, epoch: str, since: int) -> MappingChanges:
        """What changed since version `since` of `epoch`; all of it when that cannot be told apart.

        :raises NotFound: no such frontend.
        """
        return self._core.store.read(_changes, name, epoch, since)

    def news(self) -> Callable[[float], object]:
        """A wait for what `mappings` does not tell yet: returns once there may be some, or after so many seconds.

        To be asked for before `mappings`. Waiting switches greenlets, and holds no connection of the database.
        """
        bell, heard = self._core.bell, self._core.bell.version
        return lambda timeout_s: bell.wait(heard, timeout_s)

    def list(self) -> tuple[str, ...]:
        """All names, sorted."""
        return self._core.store.read(frontends.every)

    # -- the operator's half ---

    def create(self, frontend: Frontend) -> Frontend:
        """A new one with an identity of the operator's; its token is made here. It may not ask for names.

        :raises Invalid: name or URL cannot be used. :raises NotFound: no such identity. :raises Conflict: it exists.
        """
        made = _checked(replace(frontend, token=new_token()))
        self._core.store.write(self._create, made)
        return made

    def modify(self, token: str, *, name: str = "", url_template: str = "", dynamic: bool | None = None) -> None:
        """Change what is given.

        :raises NotFound: no such frontend. :raises Invalid: name or URL cannot be used. :raises Conflict: it exists.
        """
        self._core.store.write(self._modify, token, name, url_template, dynamic)

    def delete(self, token: str) -> None:
        """It serves nothing any more. One that the configuration names is back at the next start.

        :raises NotFound: no such frontend.
        """
        self._core.change("frontend.deleted", token, lambda: frontends.remove(require_frontend(token)[0]))

    def details(self) -> tuple[Frontend, ...]:
        """All, by name."""
        return self._core.store.read(frontends.details)

    def grant(self, token: str, email: str) -> None:
        """Let an account use a closed frontend. Idempotent. :raises NotFound: no such frontend or account."""
        self._core.change(
            "frontend.granted", token, lambda: grants.grant_frontend(*_pair(token, email)), account=check_email(email)
        )

    def revoke(self, token: str, email: str) -> None:
        """Take that back. Idempotent. :raises NotFound: no such frontend or account."""
        self._core.change(
            "frontend.revoked", token, lambda: grants.revoke_frontend(*_pair(token, email)), account=check_email(email)
        )

    def _ensure(self, name: str, token_digest: str) -> None:
        if frontends.by_digest(token_digest) != name:
            audit.note("frontend.changed" if frontends.find(name) else "frontend.created", name)
        frontends.ensure(name, token_digest, self._core.clock.now_ms())

    def _create(self, frontend: Frontend) -> None:
        if not identities.exists(frontend.z_id):
            raise NotFound("no such identity")
        nobodys = digest(new_token() + new_token())  # no text is known that has it
        frontends.add(frontend, nobodys, self._core.clock.now_ms())
        audit.note("frontend.created", frontend.token, name=frontend.name, identity=frontend.z_id)
        receipts.made(frontend)

    def _modify(self, token: str, name: str, url_template: str, dynamic: bool | None) -> None:  # noqa: FBT001
        row, old = require_frontend(token)
        new = replace(
            old,
            name=name or old.name,
            url_template=url_template or old.url_template,
            dynamic=old.dynamic if dynamic is None else dynamic,
        )
        frontends.change(row, _checked(new), self._core.clock.now_ms())
        audit.note("frontend.changed", token, name=new.name)


def require_frontend(token: str) -> tuple[int, Frontend]:
    """Row and frontend that the API calls so, read inside a transaction. :raises NotFound: there is none."""
    found = frontends.by_token(token)
    if found is None:
        raise NotFound("no such frontend")
    return found


def _checked(frontend: Frontend) -> Frontend:
    check_word(frontend.name, "name of a frontend")
    check_text(frontend.url_template, "URL template", 1024)
    return frontend


def _pair(token: str, email: str) -> tuple[int, int]:
    account = accounts.by_email(check_email(email))
    if account is None:
        raise NotFound("no such account")
    return require_frontend(token)[0], account.id


def _changes(name: str, epoch: str, since: int) -> MappingChanges:
    return mappings.changes(_require(name), epoch, since)


def _require(name: str) -> int:
    row = frontends.find(name)
    if row is None:
        raise NotFound("no such frontend")
    return row
