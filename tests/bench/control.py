"""A controller to be measured: its API over SQLite and an overlay in memory, and a database filled by SQL."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
from zrokd_plugins.auth_token import TokenAuthenticator
from zrokd_plugins.role_controller.identify import Identifier
from zrokd_plugins.storage_sqlite import SqliteDatabase

from zrokd.api.app import create_app
from zrokd.api.call import Settings
from zrokd.contracts import OverlayAdmin
from zrokd.model.environment import EnvironmentDraft, Identity
from zrokd.model.limits import UsageSample
from zrokd.model.naming import Namespace, new_token
from zrokd.net.signal import Bell
from zrokd.service.services import Services, make_services
from zrokd.store import migrate, tables
from zrokd.store.database import Store
from zrokd.store.hashing import digest

TOKEN, EDGE = "anns-own-token", "edges-own-token"
_SOME = 500
_anchors: list[sqlite3.Connection] = []


class MemoryOverlay(OverlayAdmin):
    """Does all at once."""

    def create_environment(self, name: str) -> Identity:
        """An identity."""
        return Identity(z_id=new_token(), document="{}")

    def create_frontend(self, name: str) -> Identity:
        """An identity."""
        return Identity(z_id=name, document="{}")

    def create_controller(self) -> Identity:
        """An identity."""
        return Identity(z_id="controller", document="{}")

    def create_agent(self, token: str, env_z_id: str) -> None:
        """Nothing."""

    def delete_environment(self, z_id: str) -> None:
        """Nothing."""

    def create_share(self, token: str, env_z_id: str, *, public: bool, config: dict[str, object]) -> None:
        """Nothing."""

    def delete_share(self, token: str) -> None:
        """Nothing."""

    def create_access(self, token: str, share_token: str, env_z_id: str) -> None:
        """Nothing."""

    def delete_access(self, token: str, share_token: str) -> None:
        """Nothing."""

    def list_shares(self) -> set[str]:
        """None."""
        return set()

    def usage(self) -> Iterable[UsageSample]:
        """Nothing."""
        return []


class _Nobody:
    """Hooks that nobody listens to."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments: None


class _Clock:
    def now_ms(self) -> int:
        """Of the wall."""
        return int(time.time() * 1000)


def offload(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """As a daemon does it: in a thread of the pool."""
    return gevent.get_hub().threadpool.apply(function, args, kwargs)


def services_of(folder: Path) -> Services:
    """The services over the database in a folder, which is made when there is none."""
    database = SqliteDatabase(folder / "zrokd.sqlite3")
    _anchors.append(sqlite3.connect(folder / "zrokd.sqlite3"))  # as the storage does: a last one that closes costs
    offload(migrate.upgrade, database)
    hooks: Any = _Nobody()
    clock: Any = _Clock()
    return make_services(Store(database, offload), MemoryOverlay(), hooks, clock, Bell())


def make_app(folder: Path) -> Any:
    """The API over the database in a folder."""
    services, log = services_of(folder), logging.getLogger("bench")
    authenticator = TokenAuthenticator(None, SimpleNamespace(log=log))
    identify = Identifier(lambda: [authenticator], services.directory, log)
    settings = Settings(version="bench", hash_password=lambda text: text, offload=offload)
    return create_app(lambda: services, identify, lambda: settings)


def seed(folder: Path, *, accounts: int, shares: int) -> str:
    """So many accounts, each with an environment and a public share; ann's has `shares`. Her environment."""
    services = services_of(folder)
    services.frontends.ensure("edge", EDGE)
    services.namespaces.ensure(Namespace(token="public", zone="share.example.com", open=True), ["edge"])
    services.accounts.ensure("ann@example.com", TOKEN)
    ann = services.directory.account_by_email("ann@example.com")
    principal = services.directory.holder_of(TOKEN)
    assert ann is not None and principal is not None
    home = services.environments.enable(EnvironmentDraft(account_id=ann.id, host="h"), principal)
    store = Store(SqliteDatabase(folder / "zrokd.sqlite3"), offload)
    store.write(_fill, accounts - 1)
    rows = dict(
        store.read(lambda: list(tables.Environment.select(tables.Environment.z_id, tables.Environment.id).tuples()))
    )
    store.write(_share, [rows.pop(home.z_id)] * shares)
    store.write(_share, list(rows.values()))
    return home.z_id


def fill(store: Store, accounts: int) -> None:
    """So many accounts in an empty database, each with an environment and a public share."""

    def first() -> None:
        now = {"created_at_ms": 1, "updated_at_ms": 1}
        tables.Account.create(email="first@example.com", **now)
        tables.Namespace.create(token="public", zone="share.example.com", open=True, **now)

    store.write(first)
    store.write(_fill, accounts)
    store.write(lambda: _share([row.id for row in tables.Environment.select(tables.Environment.id)]))


def _fill(count: int) -> None:
    now = {"created_at_ms": 1, "updated_at_ms": 1}
    first = (tables.Account.select().order_by(tables.Account.id.desc()).get()).id + 1
    numbers = range(first, first + count)
    _insert(tables.Account, ({"id": n, "email": f"a{n}@example.com", **now} for n in numbers))
    tokens = ({"account": n, "digest": digest(f"token-{n}"), "created_at_ms": 1} for n in numbers)
    _insert(tables.AccountToken, tokens)
    _insert(tables.Environment, ({"account": n, "z_id": f"z{n}", "host": "h", "live": True, **now} for n in numbers))


def _share(environments: list[int]) -> None:
    """One public share in each of these, with its name and mapping."""
    now = {"created_at_ms": 1, "updated_at_ms": 1}
    namespace = tables.Namespace.get()
    owners = dict(tables.Environment.select(tables.Environment.id, tables.Environment.account).tuples())
    first = (tables.Share.select(tables.Share.id).order_by(tables.Share.id.desc()).scalar() or 0) + 1
    rows = list(enumerate(environments, first))
    offer = {"share_mode": "public", "mode": "proxy", "target": "http://127.0.0.1:8000", "permission": "open"}
    _insert(
        tables.Share, ({"id": n, "environment": e, "token": f"t{n:011}", "live": True, **offer, **now} for n, e in rows)
    )
    names = ({"id": n, "namespace": namespace, "account": owners[e], "name": f"t{n:011}", "reserved": False, **now}
             for n, e in rows)  # fmt: skip
    _insert(tables.Name, names)
    _insert(tables.ShareName, ({"share": n, "name": n} for n, _ in rows))
    told = ({"version": n, "host": f"t{n:011}.{namespace.zone}", "namespace": namespace, "token": f"t{n:011}",
             "mode": "proxy", "changed_at_ms": 1} for n, _ in rows)  # fmt: skip
    _insert(tables.Mapping, told)
    last = first + len(rows) - 1
    if rows:
        tables.Meta.insert(key="mapping_version", value=str(last)).on_conflict(
            conflict_target=[tables.Meta.key], update={tables.Meta.value: str(last)}
        ).execute()


def _insert(table: Any, rows: Iterator[dict[str, Any]]) -> None:
    some: list[dict[str, Any]] = []
    for row in rows:
        some.append(row)
        if len(some) == _SOME:
            table.insert_many(some).execute()
            some = []
    if some:
        table.insert_many(some).execute()
