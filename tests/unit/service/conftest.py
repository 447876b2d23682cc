"""A controller without network: the services over a real database and an overlay made of one file.

Store and overlay count their steps, so that a test can let any one of them fail, or end the process there.
"""

import functools
import itertools
import json
import os
import shutil
import tempfile
import threading
from pathlib import Path

import gevent
import pytest
from zrokd_plugins.storage_sqlite import SqliteDatabase

from tests.postgres.fixtures import BOTH
from zrokd.contracts import OverlayAdmin
from zrokd.errors import OverlayError, StoreError, UnknownService
from zrokd.model.account import Principal
from zrokd.model.environment import EnvironmentDraft, Identity
from zrokd.model.limits import Limits
from zrokd.model.naming import Namespace
from zrokd.model.share import NameSelection, Permission, ShareDraft, ShareMode
from zrokd.net.signal import Bell
from zrokd.service.services import make_services
from zrokd.store import migrate, shares, tables
from zrokd.store.database import Store, direct

KINDS = ("environments", "frontends", "shares", "accesses")


class Faults:
    """Counts steps; at step `at` calls `strike(where)`. `where` is "overlay" or "store", with "before" or "after"."""

    def __init__(self):
        self.arm(None)

    def arm(self, at, strike=None):
        self.count, self.at, self.strike, self.struck = 0, at, strike, False

    def step(self, where):
        self.count += 1
        if self.count == self.at:
            self.struck = True
            self.strike(where)


def fail(where):
    """As the real thing would: the overlay may have done it and lost the answer, the database did not."""
    if where.startswith("overlay"):
        raise OverlayError("the overlay is away")
    if where == "store before":
        raise StoreError("the database is locked by another program; try again")


class FileOverlay(OverlayAdmin):
    """Idempotent, as the contract says; what it holds survives the process."""

    def __init__(self, path, faults):
        self.path, self.faults, self._lock = Path(path), faults, threading.Lock()
        self.calls, self.away, self.samples, self.switch = [], False, [], gevent.sleep
        if not self.path.exists():
            self.path.write_text(json.dumps({kind: {} for kind in KINDS}))

    def held(self, kind):
        return json.loads(self.path.read_text())[kind]

    def change(self, kind, key, value):
        """Plant something, or with None take it away, behind everybody's back."""
        with self._lock:
            state = json.loads(self.path.read_text())
            state[kind].pop(key, None)
            if value is not None:
                state[kind][key] = value
            self.path.with_suffix(".new").write_text(json.dumps(state))
            self.path.with_suffix(".new").replace(self.path)

    def _call(self, name, kind, key, value):
        if self.away:
            raise OverlayError("the overlay is away")
        self.faults.step("overlay before")
        self.calls.append((name, key))
        self.switch()
        self.change(kind, key, value)
        self.faults.step("overlay after")

    def create_environment(self, name):
        z_id = f"z.{name.split('-')[0]}"
        self._call("create_environment", "environments", z_id, name)
        return Identity(z_id=z_id, document=json.dumps({"id": z_id}))

    def adopt_environment(self, z_id):
        self._call("adopt_environment", "environments", z_id, "adopted")

    def delete_environment(self, z_id):
        self._call("delete_environment", "environments", z_id, None)

    def create_frontend(self, name):
        self._call("create_frontend", "frontends", name, name)
        return Identity(z_id=f"f.{name}", document="{}")

    def create_controller(self):
        self._call("create_controller", "frontends", "controller", "controller")
        return Identity(z_id="c.1", document="{}")

    def create_agent(self, token, env_z_id):
        self._call("create_agent", "shares", token, {"env": env_z_id, "agent": True})

    def create_share(self, token, env_z_id, *, public, config):
        value = {"env": env_z_id, "public": public, "config": config}
        self._call("create_share", "shares", token, value)

    def delete_share(self, token):
        self._call("delete_share", "shares", token, None)

    def create_access(self, token, share_token, env_z_id):
        self._call("create_access", "accesses", token, [share_token, env_z_id])

    def delete_access(self, token, share_token):
        self._call("delete_access", "accesses", token, None)

    def list_shares(self):
        if self.away:
            raise OverlayError("the overlay is away")
        return set(self.held("shares"))

    def usage(self):
        taken, self.samples = self.samples, []
        return taken


class StrictOverlay(FileOverlay):
    """One that complains when what is to be deleted is gone."""

    def _call(self, name, kind, key, value):
        gone = value is None and key not in self.held(kind)
        super()._call(name, kind, key, value)
        if gone:
            raise UnknownService(f"no {kind} {key}")


class CountingStore(Store):
    def __init__(self, database, offload, faults):
        super().__init__(database, offload)
        self.faults = faults

    def write(self, function, *args, **kwargs):
        self.faults.step("store before")
        result = super().write(function, *args, **kwargs)
        self.faults.step("store after")
        return result


class ManualClock:
    """Every look is a millisecond later."""

    def __init__(self, start_ms=1_700_000_000_000):
        self._ticks = itertools.count(start_ms)
        self.ahead_ms = 0

    def now_ms(self):
        return next(self._ticks) + self.ahead_ms

    def monotonic(self):
        return 0.0


class RecordingHooks:
    """Tells go into `told`; reviews answer what `refusals` holds for their name, or run it."""

    def __init__(self):
        self.told, self.reviewed, self.refusals = [], [], {}

    def __getattr__(self, name):
        if name.startswith("review_"):
            return lambda subject, principal: self._review(name, subject, principal)
        if name.startswith("on_"):
            return lambda subject, principal: self.told.append((name, subject, principal))
        raise AttributeError(name)

    def _review(self, name, subject, principal):
        self.reviewed.append((name, subject, principal))
        answer = self.refusals.get(name)
        return answer() if callable(answer) else answer

    def names(self):
        return [name for name, _, _ in self.told]


@functools.cache
def migrated():
    """The bytes of an empty database of our schema; copying them is faster than migrating for each test."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template")
        database = SqliteDatabase(path)
        migrate.upgrade(database)
        database.close_idle()  # the last connection brings all of it into the file
        return path.read_bytes()


class House:
    """The services, what stands under them, and short ways to what most tests begin with."""

    def __init__(self, folder, offload=direct, *, overlay=FileOverlay, limits=None, database=None):
        self.folder = Path(folder)
        self.database = database or self._in_a_file()
        self.faults, self.clock, self.hooks, self.bell = Faults(), ManualClock(), RecordingHooks(), Bell()
        self.overlay = overlay(self.folder / "overlay.json", self.faults)
        self.store = CountingStore(self.database, offload, self.faults)
        self.letters = []
        self.limits(limits or Limits())

    def ring(self):
        """Whoever is written to reads it at once."""
        self.outbox.send(lambda letter: self.letters.append(letter) or "")

    def _in_a_file(self):
        database = SqliteDatabase(self.folder / "zrokd.sqlite3")
        if not Path(database.database).exists():
            Path(database.database).write_bytes(migrated())
        return database

    def limits(self, limits, bandwidth=()):
        """Other services, that know these limits. What they write to people is in `letters`."""
        services = make_services(
            self.store, self.overlay, self.hooks, self.clock, self.bell, limits, mailbox=self, bandwidth=bandwidth
        )
        for name in services.__slots__:
            setattr(self, name, getattr(services, name))

    def principal(self, email="ann@example.com"):
        account = self.directory.account_by_email(email)
        if account is None:
            self.accounts.create(email)
            account = self.directory.account_by_email(email)
        return Principal(account_id=account.id, email=email, method="test")

    def public(self, token="public", zone="share.example.com", *, frontends=(), is_open=True, url="http://{host}"):
        for name in frontends:
            self.frontends.ensure(name, f"token-of-{name}")
        self.namespaces.ensure(Namespace(token=token, zone=zone, open=is_open, url=url), frontends)

    def env(self, principal):
        return self.environments.enable(EnvironmentDraft(account_id=0, host="h"), principal).z_id

    @staticmethod
    def draft(z_id, *names, private=False, namespace="public", **changes):
        selections = () if private else tuple(NameSelection(namespace=namespace, name=name) for name in names or ("",))
        mode = ShareMode.PRIVATE if private else ShareMode.PUBLIC
        values = {"env_z_id": z_id, "share_mode": mode, "mode": "proxy", "target": "t", "selections": selections}
        return ShareDraft(**values | changes)

    def share(self, principal, z_id, *names, **changes):
        return self.shares.share(self.draft(z_id, *names, **changes), principal)

    def hosts(self, frontend="edge"):
        """Host -> token as a frontend would hold them now."""
        return {m.host: m.token for m in self.frontends.mappings(frontend, "", 0).mappings}

    def differences(self):
        """How store and overlay differ, and what is left half done. Empty when all is well."""
        return self.store.read(self._differences)

    def _differences(self):
        live = lambda table: table.select().where(table.live == True)  # noqa: E712, E731
        pairs = {
            "environments": {row.z_id for row in live(tables.Environment)},
            "shares": {row.token for row in live(tables.Share)},
            "accesses": {row.token for row in live(tables.Access)},
        }
        found = [
            f"{kind}: store {sorted(tokens)}, overlay {sorted(self.overlay.held(kind))}"
            for kind, tokens in pairs.items()
            if tokens != set(self.overlay.held(kind))
        ]
        for table in (tables.Environment, tables.Share, tables.Access):
            found += [f"not live: {table.__name__} {row.id}" for row in table.select().where(table.live == False)]  # noqa: E712
        found += [f"intent: {row.verb} {row.kind} {row.subject}" for row in tables.Intent.select()]
        return found + self._name_troubles()

    def _name_troubles(self):
        told = {row.host: row.token for row in tables.Mapping.select().where(tables.Mapping.token != "")}
        meant = {host: share.token for token in shares.live_tokens() for share in [shares.by_token(token)]
                 for host in share.endpoints}  # fmt: skip
        found = [] if told == meant else [f"mappings: told {told}, meant {meant}"]
        used = tables.ShareName.select(tables.ShareName.name)
        stray = tables.Name.select().where(
            tables.Name.deleted_at_ms.is_null(),
            tables.Name.reserved == False,  # noqa: E712
            tables.Name.id.not_in(used),
        )
        return found + [f"stray name: {row.name}" for row in stray]


def in_pool(function, *args, **kwargs):
    """In a real thread, as the daemon does it; what it raises comes back without being printed there."""

    def caught():
        try:
            return function(*args, **kwargs), None
        except Exception as error:
            return None, error

    result, error = gevent.get_hub().threadpool.apply(caught)
    if error:
        raise error
    return result


@pytest.fixture(params=BOTH)
def kind(request):
    """Which database the houses of a test stand on."""
    return request.param


@pytest.fixture
def new_house(kind, request, tmp_path):
    """new_house(...): a House in this test's folder; making another one is a restart."""
    database = request.getfixturevalue("new_postgres_database")(migrated=True) if kind == "postgres" else None
    made = []

    def make(**how):
        made.append(House(tmp_path, in_pool, database=database, **how))
        return made[-1]

    yield make
    for one in made if database is None else ():
        one.database.close_idle()


@pytest.fixture
def house(new_house):
    return new_house()


@pytest.fixture
def ann(house):
    return house.principal()


@pytest.fixture
def bob(house):
    return house.principal("bob@example.com")


@pytest.fixture
def at_once():
    """at_once(function, items): function(item) of all of them at the same time; results and errors in order."""

    def run(function, items):
        def one(item):
            try:
                return function(item)
            except Exception as error:
                return error

        greenlets = [gevent.spawn(one, item) for item in items]
        gevent.joinall(greenlets, timeout=25)
        return [greenlet.value for greenlet in greenlets]

    return run


@pytest.fixture
def strike():
    return fail


@pytest.fixture
def strict_overlay():
    return StrictOverlay


def end_here(_where):
    os._exit(9)


# -- what a crash may interrupt: after `furnish`, each verb of VERBS can be done once ---


def furnish(house):
    """Two accounts, an environment each, shares and accesses across them."""
    ann, bob = house.principal(), house.principal("bob@example.com")
    house.public(frontends=["edge"])
    home, away = house.env(ann), house.env(bob)
    for name in ("blog", "shop"):
        house.names.create("public", name, ann)
    house.share(ann, home, "shop")
    house.share(ann, home, private=True, token="held", permission=Permission.OPEN)
    house.share(bob, away, private=True, token="bobs", permission=Permission.OPEN)
    house.accesses.access(away, "held", bob)
    house.accesses.access(home, "bobs", ann)


def _token(house, principal, name):
    (found,) = (one.share_token for one in house.names.list(principal) if one.name == name)
    return found


def _home(house, principal):
    return house.environments.list(principal)[0].z_id


VERBS = {
    "enable": lambda house, ann, bob: house.env(ann),
    "share public": lambda house, ann, bob: house.share(ann, _home(house, ann), "blog", ""),
    "share private": lambda house, ann, bob: house.share(ann, _home(house, ann), private=True, token="mine"),
    "take up": lambda house, ann, bob: house.share(ann, _home(house, ann), "shop", "blog", target="new"),
    "access": lambda house, ann, bob: house.accesses.access(_home(house, bob), "held", bob),
    "unaccess": lambda house, ann, bob: house.accesses.unaccess(
        _home(house, bob), house.accesses.list(bob)[0].token, bob
    ),
    "unshare": lambda house, ann, bob: house.shares.unshare(_home(house, ann), _token(house, ann, "shop"), ann),
    "unshare with accesses": lambda house, ann, bob: house.shares.unshare(_home(house, ann), "held", ann),
    "disable": lambda house, ann, bob: house.environments.disable(_home(house, ann), ann),
    "delete account": lambda house, ann, bob: house.accounts.delete(ann.email),
}
MAKING = ("enable", "share public", "share private", "take up", "access")


def act(house, verb):
    return VERBS[verb](house, house.principal(), house.principal("bob@example.com"))


@pytest.fixture
def furnished(tmp_path):
    """furnished(folder): a House of its own there, furnished, always from the same moment."""
    origin = tmp_path / "origin"
    origin.mkdir()
    first = House(origin)
    furnish(first)
    first.database.close_idle()
    made = []

    def copy(name):
        made.append(House(shutil.copytree(origin, tmp_path / name), in_pool))
        return made[-1]

    yield copy
    for one in made:
        one.database.close_idle()
