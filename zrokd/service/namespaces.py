"""DNS zones of names: the operator's half."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from zrokd.errors import Conflict, Invalid, NotFound
from zrokd.model.frontend import NamespaceFrontend
from zrokd.model.naming import Name, Namespace, check_zone, new_token
from zrokd.service.checks import check_email, check_text
from zrokd.service.core import Core
from zrokd.service.frontends import require_frontend
from zrokd.store import accounts, audit, frontends, mappings, meta, names, namespaces, receipts, shares

_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Namespaces:
    """Namespaces, who may use them, and which frontends serve them."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def ensure(self, namespace: Namespace, frontends: Sequence[str]) -> None:
        """Make it so: the namespace of this token, served by exactly these frontends (by name). Idempotent.

        :raises Invalid: a bad zone or URL, or an unknown frontend. :raises Conflict: another namespace has the zone.
        """
        self._core.store.write(self._ensure, check_namespace(namespace), tuple(frontends))
        self._core.bell.ring()

    def create(self, zone: str, *, token: str = "", description: str = "", is_open: bool = False) -> Namespace:
        """A new namespace; without `token` one is made.

        :raises Invalid: a bad zone or token. :raises Conflict: token or zone are taken.
        """
        made = check_namespace(Namespace(token=token or new_token(), zone=zone, description=description, open=is_open))
        now_ms = self._core.clock.now_ms()
        self._core.change("namespace.created", made.token, lambda: _add(made, now_ms), zone=zone, open=is_open)
        return made

    def modify(self, token: str, *, zone: str = "", description: str = "", is_open: bool | None = None) -> None:
        """Change what is given; with the zone, running shares get new host names.

        :raises Invalid: a bad zone. :raises NotFound: no such namespace. :raises Conflict: another one has the zone.
        """
        self._core.store.write(self._modify, token, zone, description, is_open)
        self._core.bell.ring()

    def delete(self, token: str) -> None:
        """Take it away with its names. :raises NotFound: no such namespace. :raises Conflict: shares use its names."""
        self._core.store.write(self._delete, token)

    def grant(self, token: str, email: str) -> None:
        """Let an account use a closed namespace. Idempotent. :raises NotFound: no such namespace or account."""
        known = check_email(email)
        self._core.change("namespace.granted", token, lambda: namespaces.grant(*_pair(token, known)), account=known)

    def revoke(self, token: str, email: str) -> None:
        """Take that back; names reserved so far stay. Idempotent. :raises NotFound: no such namespace or account."""
        known = check_email(email)
        self._core.change("namespace.revoked", token, lambda: namespaces.revoke(*_pair(token, known)), account=known)

    def add_frontend(self, token: str, frontend: str, *, is_default: bool = False) -> None:
        """Let a frontend (by token) serve it, too; running shares are reached there at once.

        :raises NotFound: no such namespace or frontend. :raises Conflict: it does already, or has another default.
        """
        self._core.store.write(self._add_frontend, token, frontend, is_default=is_default)
        self._core.bell.ring()

    def remove_frontend(self, token: str, frontend: str) -> None:
        """Take that back. :raises NotFound: no such namespace or frontend, or it does not serve it."""
        self._core.store.write(self._remove_frontend, token, frontend)
        self._core.bell.ring()

    def frontends(self, token: str) -> tuple[NamespaceFrontend, ...]:
        """Which frontends serve it. :raises NotFound: no such namespace."""
        return self._core.store.read(lambda: namespaces.frontends_of(_require(token)[0]))

    def served_by(self, frontend: str) -> tuple[NamespaceFrontend, ...]:
        """Which namespaces a frontend (by token) serves. :raises NotFound: no such frontend."""
        return self._core.store.read(lambda: namespaces.served_by(require_frontend(frontend)[0]))

    def holder(self, token: str, name: str) -> tuple[Name, str]:
        """A name, and the e-mail address of the account that has it. :raises NotFound: nobody has it."""
        return self._core.store.read(_holder, token, name)

    def list(self) -> tuple[Namespace, ...]:
        """All, by token."""
        return self._core.store.read(namespaces.every)

    def _add_frontend(self, token: str, frontend: str, *, is_default: bool) -> None:
        row, (frontend_id, _) = _require(token)[0], require_frontend(frontend)
        namespaces.add_frontend(row, frontend_id, self._core.clock.now_ms(), is_default=is_default)
        meta.begin_epoch()  # as in _ensure
        audit.note("namespace.mapped", token, frontend=frontend)

    def _remove_frontend(self, token: str, frontend: str) -> None:
        if not namespaces.remove_frontend(_require(token)[0], require_frontend(frontend)[0]):
            raise NotFound("the frontend does not serve this namespace")
        meta.begin_epoch()
        audit.note("namespace.unmapped", token, frontend=frontend)

    def _ensure(self, namespace: Namespace, frontend_names: tuple[str, ...]) -> None:
        now_ms, found = self._core.clock.now_ms(), namespaces.find(namespace.token)
        row = found[0] if found else namespaces.add(namespace, now_ms)
        if found:
            _change(row, found[1], namespace, now_ms)
        served = namespaces.set_frontends(row, [_frontend(name) for name in frontend_names])
        if served:
            meta.begin_epoch()  # a frontend that serves more or less now cannot learn that from deltas
        if served or not found or replace(found[1], created_at_ms=0) != namespace:
            event = "namespace.changed" if found else "namespace.created"
            served_by = list(frontend_names)
            audit.note(event, namespace.token, zone=namespace.zone, open=namespace.open, frontends=served_by)

    def _modify(self, token: str, zone: str, description: str, is_open: bool | None) -> None:  # noqa: FBT001
        row, old = _require(token)
        new = replace(
            old,
            zone=zone or old.zone,
            description=description or old.description,
            open=old.open if is_open is None else is_open,
        )
        _change(row, old, check_namespace(new), self._core.clock.now_ms())
        audit.note("namespace.changed", token, zone=new.zone, open=new.open)

    def _delete(self, token: str) -> None:
        now_ms, (row, _) = self._core.clock.now_ms(), _require(token)
        if shares.of_namespace(row):
            raise Conflict(f"shares use names in the namespace {token!r}; end them first")
        names.remove_of_namespace(row, now_ms)
        namespaces.remove(row, now_ms)
        audit.note("namespace.deleted", token)


def _change(row: int, old: Namespace, new: Namespace, now_ms: int) -> None:
    namespaces.change(row, new, now_ms)
    if new.zone == old.zone:
        return  # else every start would write for every share, with everybody else waiting
    for share in shares.of_namespace(row):
        mappings.sync(share.token, now_ms)


def _require(token: str) -> tuple[int, Namespace]:
    found = namespaces.find(token)
    if found is None:
        raise NotFound(f"no namespace {token!r}")
    return found


def _holder(token: str, name: str) -> tuple[Name, str]:
    found = names.with_email(_require(token)[0], name)
    if found is None:
        raise NotFound("nobody has this name")
    return found


def _pair(token: str, email: str) -> tuple[int, int]:
    account = accounts.by_email(email)
    if account is None:
        raise NotFound(f"no account has the address {email}")
    return _require(token)[0], account.id


def _frontend(name: str) -> int:
    row = frontends.find(name)
    if row is None:
        raise Invalid(f"no frontend is called {name!r}")
    return row


def check_namespace(namespace: Namespace) -> Namespace:
    """The namespace, when it can be kept. :raises Invalid: says what is wrong with it."""
    if not _TOKEN.fullmatch(namespace.token):
        raise Invalid(f"{namespace.token!r} is not a valid namespace: up to 64 letters, digits, - and _")
    check_zone(namespace.zone)
    check_text(namespace.description, "description", 1024)
    if "{host}" not in check_text(namespace.url, "URL", 255):
        raise Invalid(f"the URL {namespace.url!r} of namespace {namespace.token!r} needs {{host}} in it")
    return namespace


def _add(namespace: Namespace, now_ms: int) -> None:
    namespaces.add(namespace, now_ms)
    receipts.made(namespace)
