"""Every plugin of this tree passes the suite of its slot."""

import socket
from typing import ClassVar

import gevent
import pytest

from tests.postgres.fixtures import settings
from tests.signin.fixtures import ANN, ANNS_PASSWORD
from tests.signin.slapd import PEOPLE, SERVICE, SERVICE_PASSWORD
from zrokd.contracts import SLOTS
from zrokd.host.registry import Registry
from zrokd.model.account import Credentials
from zrokd.model.passwords import hash_password
from zrokd.model.units import Address, Secret
from zrokd.testing import contracts
from zrokd.testing.scenario import Scenario

REGISTRY = Registry()
SECRET = "an-operator's-secret"


# -- overlay, storage ---


class TestOverlayLocal(contracts.OverlayContract):
    Component = REGISTRY("overlay", "local")
    streams = 200

    def make_settings(self, tmp_path):
        return self.Component.Settings(dir=str(tmp_path / "overlay"))


@pytest.mark.slow
class TestOverlayLocalLarge(TestOverlayLocal):
    streams = 1000


class TestStorageSqlite(contracts.StorageContract):
    Component = REGISTRY("storage", "sqlite")

    def make_settings(self, tmp_path):
        return self.Component.Settings(path=str(tmp_path / "db.sqlite3"))


@pytest.mark.postgres
class TestStoragePostgres(contracts.StorageContract):
    Component = REGISTRY("storage", "postgres")

    @pytest.fixture(autouse=True)
    def _server(self, postgres):
        self.server, self.place = postgres, postgres.create()

    def make_settings(self, tmp_path):
        return self.Component.Settings(**settings(self.server, self.place))


# -- modes ---


@pytest.fixture
def origin():
    """The port of a web server that answers every connection with 200."""

    def serve(sock):
        client = sock.accept()[0]
        while True:
            answering.append(gevent.spawn(answer, client))
            client = sock.accept()[0]

    def answer(client):
        with client:
            while client.recv(65536):
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    answering = []
    sock = socket.create_server(("127.0.0.1", 0))
    serving = gevent.spawn(serve, sock)
    yield sock.getsockname()[1]
    gevent.killall([serving, *answering])
    sock.close()


class WithTarget(contracts.ModeContract):
    @pytest.fixture(autouse=True)
    def _target(self, origin):
        self.port = origin


class TestModeProxy(WithTarget):
    Component = REGISTRY("mode", "proxy")

    def make_settings(self, tmp_path):
        return self.Component.Settings(target=f"http://127.0.0.1:{self.port}")


class TestModeTcp(WithTarget):
    Component = REGISTRY("mode", "tcp")

    def make_settings(self, tmp_path):
        return self.Component.Settings(target=Address(host="127.0.0.1", port=self.port))


class TestModeWeb(contracts.ModeContract):
    Component = REGISTRY("mode", "web")

    def make_settings(self, tmp_path):
        (tmp_path / "site").mkdir(exist_ok=True)
        (tmp_path / "site/index.html").write_text("hello")
        return self.Component.Settings(target=str(tmp_path / "site"))


class TestModeHello(contracts.ModeContract):
    Component = REGISTRY("mode", "hello")


# -- gates, filters, sinks, observers, authenticators, commands ---


class TestGateBasic(contracts.GateContract):
    Component = REGISTRY("gate", "basic")
    passes = ((b"Authorization", b"Basic YW5uOnNlc2FtZQ=="),)  # ann:sesame
    fails = ((b"Authorization", b"Basic YW5uOndyb25n"),)

    def make_settings(self, tmp_path):
        return self.Component.Settings(users=[{"username": "ann", "hash": Secret(hash_password("sesame"))}])


class TestFilterForwarded(contracts.FilterContract):
    Component = REGISTRY("filter", "forwarded")


class TestFilterInterstitial(contracts.FilterContract):
    Component = REGISTRY("filter", "interstitial")


class TestSinkLog(contracts.SinkContract):
    Component = REGISTRY("sink", "log")


class TestObserverPolicy(contracts.ObserverContract):
    Component = REGISTRY("observer", "policy")


class TestObserverChanges(contracts.ObserverContract):
    Component = REGISTRY("observer", "changes")


class TestObserverAccessLog(contracts.ObserverContract):
    Component = REGISTRY("observer", "access_log")


class TestAuthToken(contracts.AuthenticatorContract):
    Component = REGISTRY("auth", "token")
    good = Credentials(token="ann-token")


class TestAuthSecret(contracts.AuthenticatorContract):
    Component = REGISTRY("auth", "secret")
    settings: ClassVar = {"secrets": [Secret(SECRET)]}
    good = Credentials(token=SECRET)


@pytest.mark.slow
class TestAuthLdap(contracts.AuthenticatorContract):
    Component = REGISTRY("auth", "ldap")
    settings: ClassVar = {"servers": ["ldaps://ldap.example.com"], "base": PEOPLE}
    good = Credentials(username=ANN, password=ANNS_PASSWORD)

    @pytest.fixture(autouse=True)
    def _server(self, slapd):
        self.server = slapd

    def make_settings(self, tmp_path):
        who = {"bind_dn": SERVICE, "bind_password": SERVICE_PASSWORD}
        return self.Component.Settings(servers=[self.server.url], ca=self.server.ca, base=PEOPLE, **who)


class TestAuthOidc(contracts.AuthenticatorContract):
    Component = REGISTRY("auth", "oidc")
    settings: ClassVar = {"issuer": "https://id.example.com", "audience": ["zrokd"]}

    @pytest.fixture(autouse=True)
    def _provider(self, provider):
        self.issuer, self.good = provider.issuer, Credentials(token=provider.token())

    def make_settings(self, tmp_path):
        return self.Component.Settings(issuer=self.issuer, audience=["zrokd"])


class TestAuthPam(contracts.AuthenticatorContract):
    Component = REGISTRY("auth", "pam")
    settings: ClassVar = {"domain": "example.com"}
    good = Credentials(username="ann", password="anns-password")

    @pytest.fixture(autouse=True)
    def _rules(self, pam_rules):
        """Its own, in place of the system's."""


class TestCommandAdmin(contracts.CommandContract):
    Component = REGISTRY("command", "admin")


class TestCommandDb(contracts.CommandContract):
    Component = REGISTRY("command", "db")


# -- roles ---


class TestRoleController(contracts.RoleContract):
    Component = REGISTRY("role", "controller")

    def tree(self, tmp_path):
        return {"roles": {"controller": {"listen": "127.0.0.1:0"}}}


class TestRoleFrontend(contracts.RoleContract):
    Component = REGISTRY("role", "frontend")

    def tree(self, tmp_path):
        here = {"listen": "127.0.0.1:0", "controller": "http://127.0.0.1:9", "token": "frontend-token"}
        return {"roles": {"frontend": here}}


class TestRoleBackend(contracts.RoleContract):
    Component = REGISTRY("role", "backend")

    def tree(self, tmp_path):
        return {"roles": {"backend": {"controller": "http://127.0.0.1:9", "token": "account-token"}}}


def test_every_plugin_of_this_tree_has_its_suite_here():
    tested = {cls.Component for name, cls in globals().items() if name.startswith("Test")}
    tested |= {REGISTRY("overlay", name) for name in ("ziti", "openziti")}  # their suites need a network: tests/ziti
    missing = [
        f"{slot}.{name}"
        for slot in SLOTS
        for name in REGISTRY.names(slot)
        if (cls := REGISTRY(slot, name)) not in tested and cls.__module__.startswith("zrokd_plugins.")
    ]
    assert not missing


def test_they_work_together(tmp_path):
    with Scenario(tmp_path, shares=[{"name": "greeting", "mode": "hello"}]) as zrokd:
        assert zrokd.get("greeting").status == 200
        assert zrokd.get("nobody").status == 404
