"""The API over real services: a database in a file, an overlay in memory, the authenticators of the house."""

import contextvars
import functools
import json
import logging
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import falcon.testing
import jsonschema
import pytest
from argon2 import PasswordHasher
from zrokd_plugins.auth_secret import SecretAuthenticator, SecretSettings
from zrokd_plugins.auth_token import TokenAuthenticator
from zrokd_plugins.role_controller.identify import Identifier
from zrokd_plugins.storage_sqlite import SqliteDatabase

from zrokd.api.app import BASE, OPERATIONS, create_app
from zrokd.api.call import Settings
from zrokd.api.openapi import document
from zrokd.contracts import OverlayAdmin
from zrokd.errors import AgentAway, OverlayError
from zrokd.model.environment import Identity
from zrokd.model.http import LATER
from zrokd.model.naming import Namespace
from zrokd.model.site import Site
from zrokd.model.units import Secret
from zrokd.net.signal import Bell
from zrokd.service import passwords
from zrokd.service.services import make_services
from zrokd.store import migrate
from zrokd.store.database import Store

MEDIA_TYPE = "application/zrok.v1+json"
NO_TYPE = "none/none"
ADMIN = "canary-admin-secret"
EDGE = "canary-frontend-token"
_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_NOBODYS = _QUICK.hash("nobody's")


class MemoryOverlay(OverlayAdmin):
    """Remembers the tokens of services. `away` makes every call fail."""

    def __init__(self):
        self.away, self.shares, self.made, self.deleted = False, set(), 0, []

    def _here(self):
        if self.away:
            raise OverlayError("the overlay is away", retry_after_s=7)

    def create_environment(self, name):
        self._here()
        self.made += 1
        return Identity(z_id=f"z{self.made}.-x", document=json.dumps({"id": {"key": "canary-identity-key"}}))

    def delete_environment(self, z_id):
        self._here()
        self.deleted.append(z_id)

    def create_frontend(self, name):
        self._here()
        return Identity(z_id=f"f-{name}", document='{"id": {}}')

    def create_controller(self):
        self._here()
        return Identity(z_id="c1", document='{"id": {}}')

    def create_agent(self, token, env_z_id):
        self.create_share(token, env_z_id, public=False, config={})

    def create_share(self, token, env_z_id, *, public, config):
        self._here()
        self.shares.add(token)

    def delete_share(self, token):
        self._here()
        self.shares.discard(token)

    def create_access(self, token, share_token, env_z_id):
        self._here()

    def delete_access(self, token, share_token):
        self._here()

    def list_shares(self):
        self._here()
        return set(self.shares)

    def usage(self):
        return []


class Agents:
    """Agents as the services speak to them: `asked` is what they were told; `answers` by what, or an error."""

    def __init__(self):
        self.asked, self.answers = [], {}

    def ask(self, token, asked):
        self.asked.append((token, asked))
        answer = self.answers.get(type(asked).__name__, AgentAway("the agent is away"))
        if isinstance(answer, Exception):
            raise answer
        return answer


class Quiet:
    """Hooks that nobody listens to; `refusal` is what reviews answer."""

    refusal = None

    def __getattr__(self, name):
        if name.startswith("review_"):
            return lambda subject, principal: self.refusal
        return lambda *arguments: None


@functools.cache
def _paths():
    return document(BASE, OPERATIONS, "test")["paths"]


def described(method, path):
    """The operation in the document of the API; of paths that fit, the one with most of it written out."""
    fitting = [one for one in _paths() if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one), path)]
    return _paths()[min(fitting, key=lambda one: one.count("{"))][method.lower()]


@functools.cache
def _validator(operation_id):
    """Of bodies of an operation; its schema is looked at once."""
    told = next(one for methods in _paths().values() for one in methods.values() if one["operationId"] == operation_id)
    schema = told["requestBody"]["content"][MEDIA_TYPE]["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


_ASKED = contextvars.ContextVar("the Api whose request it is")


@functools.cache
def _app():
    """The application of every Api: to make its table of routes takes longer than most tests."""
    return create_app(
        lambda: _ASKED.get().services, lambda shown: _ASKED.get().authenticate(shown), lambda: _ASKED.get().settings
    )


def _typed(api):
    """The app with a stand-in for the Content-Type that it leaves out: falcon's test client takes no answer without."""

    def call(environ, start_response):
        _ASKED.set(api)

        def start(status, headers, exc_info=None):
            typed = any(name.lower() == "content-type" for name, _ in headers)
            return start_response(status, headers if typed else [*headers, ("Content-Type", NO_TYPE)], exc_info)

        return _app()(environ, start)

    return call


def _patient(app):
    """`app` behind a server that waits for it, as `zrokd.net.wsgi` does."""

    def call(environ, start_response):
        later = []
        chunks = app({**environ, LATER: later.append}, start_response)
        if not later:
            return chunks
        later[0]()
        return app(environ, start_response)

    return call


class Api:
    """Calls as a client makes them."""

    def __init__(self, path):
        self.overlay, self.hooks, self.bell = MemoryOverlay(), Quiet(), Bell()
        self.database = SqliteDatabase(path)
        self.letters, self.clock, self.agents = [], _Clock(), Agents()
        self.elsewhere = {}  # (name, password) -> Principal, of those whose passwords are kept elsewhere
        self.settings = Settings(version="zrokd test", max_wait_s=20.0, hash_password=lambda text: "scrypt$made")
        self.open_up()
        ctx = SimpleNamespace(log=logging.getLogger("zrokd.test"))
        auth = [TokenAuthenticator(None, ctx), SecretAuthenticator(SecretSettings(secrets=[Secret(ADMIN)]), ctx)]
        self.authenticate = Identifier(lambda: auth, self.services.directory, ctx.log)
        self._client = falcon.testing.TestClient(_patient(_typed(self)))

    def furnish(self):
        """One frontend and one namespace, as every test finds them."""
        self.services.frontends.ensure("edge", EDGE)
        zone = Namespace(token="public", zone="example.com", open=True, url="https://{host}:8443")
        self.services.namespaces.ensure(zone, ["edge"])

    def open_up(self, **site):
        """Make the services anew, with a site as said."""
        site = Site(**site)
        mailbox = SimpleNamespace(ring=lambda: self.services.outbox.send(lambda one: self.letters.append(one) or ""))
        self.services = make_services(
            Store(self.database),
            self.overlay,
            self.hooks,
            self.clock,
            self.bell,
            site=site,
            mailbox=mailbox,
            agents=self.agents,
            prove=lambda shown: self.elsewhere.get((shown.username, shown.password)),
        )
        self.settings = replace(self.settings, site=site)

    def raw(self, method, path, *, token=None, body=None, headers=None, query=None):
        """One request. `body` is bytes, or something to be written as JSON."""
        sent = {"Accept": MEDIA_TYPE, **({"X-Token": token} if token else {})}
        if body is not None:
            sent["Content-Type"] = MEDIA_TYPE
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent |= headers or {}
        return self._client.simulate_request(
            method, BASE + path, headers={k: v for k, v in sent.items() if v is not None}, body=body, params=query
        )

    def bare(self, method, path):
        """One request of nobody, to a path that is not below the base."""
        return self._client.simulate_request(method, path)

    def ok(self, *args, **kwargs):
        """The document of a request that must succeed; None when it is empty."""
        answer = self.raw(*args, **kwargs)
        assert answer.status_code in (200, 201), (args, kwargs, answer.status_code, answer.text)
        self.check_described(args[0], args[1], kwargs.get("body"), kwargs.get("query"), answer)
        return answer.json if answer.content else None

    def check_described(self, method, path, body, query, answer):
        """What was sent and what came back are as the document of the API says."""
        told = described(method, path.partition("?")[0].rstrip("/"))
        success = told["responses"][str(answer.status_code)]
        assert bool(answer.content) == ("content" in success), (method, path)
        if body is not None:
            _validator(told["operationId"]).validate(body)
        asked = {one["name"] for one in told["parameters"] if one["in"] == "query"}
        assert set(query or {}) <= asked, (method, path)

    def refused(self, status, *args, **kwargs):
        """The words of a request that must be refused so."""
        answer = self.raw(*args, **kwargs)
        assert answer.status_code == status, (args, kwargs, answer.status_code, answer.text)
        return answer.json if isinstance(answer.json, str) else answer.json["message"]

    # -- short ways ---

    def account(self, email):
        return self.services.accounts.create(email)

    def env(self, token):
        return self.ok("POST", "/enable", token=token, body={"description": "d", "host": "h"})["identity"]

    def share(self, token, env, /, **changes):
        asked = {"envZId": env, "shareMode": "public", "backendMode": "proxy", "target": "http://127.0.0.1:1"}
        return self.ok("POST", "/share", token=token, body=asked | changes)["shareToken"]

    def access(self, token, env, share):
        return self.ok("POST", "/access", token=token, body={"envZId": env, "shareToken": share})["frontendToken"]

    def everything(self):
        """All rows of all tables but the audit trail's, to see whether something changed."""
        with self.database.connection_context():
            names = set(self.database.get_tables()) - {"schema_migration", "audit_record", "meta"}
            found = {name: self.database.execute_sql(f'select * from "{name}"').fetchall() for name in names}
            found["meta"] = self.database.execute_sql("select * from meta where key <> 'audit_head'").fetchall()
            return found


class _Clock:
    ahead_s = 0.0

    def now_ms(self):
        return int((time.time() + self.ahead_s) * 1000)

    def monotonic(self):
        return time.monotonic() + self.ahead_s


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch):
    """How dear a hash is, is tried where they are made: unit/service/test_passwords.py."""
    monkeypatch.setattr(passwords, "_HASHER", _QUICK)
    monkeypatch.setattr(passwords, "_NOBODYS", _NOBODYS)


@pytest.fixture(scope="session")
def furnished(tmp_path_factory):
    """The file of a database with one frontend and one namespace; copying it is faster than making it."""
    api = Api(tmp_path_factory.mktemp("api") / "furnished.sqlite3")
    migrate.upgrade(api.database)
    api.furnish()
    api.database.close_idle()  # the last connection brings all of it into the file
    return Path(api.database.database)


@pytest.fixture(scope="session")
def api_over():
    """api_over(file): the API over a database of our schema; close the idle connections of its `database`."""
    return Api


@pytest.fixture
def api(tmp_path, furnished):
    made = Api(shutil.copy(furnished, tmp_path / "zrokd.sqlite3"))
    yield made
    made.database.close_idle()


@pytest.fixture
def ann(api):
    """Ann's token."""
    return api.account("ann@example.com")


@pytest.fixture
def bob(api):
    """Bob's token."""
    return api.account("bob@example.com")


@pytest.fixture(scope="session")
def admin():
    return ADMIN


@pytest.fixture
def edge():
    return EDGE
