"""The REST client of zrok's Python package, every one of its operations, against a controller that runs.

The package is not ours and comes without the network library it depends on, so it is not installed beside us: it is
put into `.cache` once, and without an index these tests are left out.
"""

import importlib
import inspect
import subprocess
import sys
import warnings
from pathlib import Path

import gevent
import pytest

from zrokd.config.load import from_tree
from zrokd.host.daemon import Daemon
from zrokd.host.registry import Registry
from zrokd.testing.scenario import ACCOUNT_TOKEN, Scenario

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(240)]

PACKAGE = "zrok2==2.0.8"
FOLDER = Path(__file__).parents[2] / ".cache" / "zrok2-2.0.8"
ADMIN, ANN, BOB = "operators-own-secret", "anns-own-token", "bobs-own-token"
GOOD, BETTER = "Correct-h0rse", "Better-h0rse"
APIS = ("AccountApi", "AdminApi", "AgentApi", "EnvironmentApi", "MetadataApi", "ShareApi")
SUFFIXES = ("_with_http_info", "_without_preload_content")


@pytest.fixture(scope="module")
def zrok_api():
    if not (FOLDER / "zrok_api").is_dir():
        words = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(FOLDER), PACKAGE]
        if subprocess.run(words, check=False, timeout=200, capture_output=True).returncode:
            pytest.skip(f"{PACKAGE} cannot be fetched")
    sys.path.insert(0, str(FOLDER))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield importlib.import_module("zrok_api")
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture
def letters(tmp_path):
    """letters(n): the token in the n-th mail, as soon as it is there."""

    def token(number):
        with gevent.Timeout(20):
            while len(found := sorted((tmp_path / "mail").glob("[!.]*.eml"), key=lambda file: file.stat().st_mtime_ns)) < number:  # fmt: skip # noqa: E501
                gevent.sleep(0.01)
        return found[number - 1].read_text().partition("token is ")[2][:12]

    return token


@pytest.fixture
def address(tmp_path):
    tree = {
        "version": 1,
        "state_dir": str(tmp_path / "state"),
        "auth": [{"use": "token"}, {"use": "secret", "secrets": [ADMIN]}],
        "roles": {
            "controller": {
                "listen": "127.0.0.1:0",
                "sign_up": {"invites": "token"},
                "mail": {"dir": str(tmp_path / "mail")},
                "accounts": [{"email": "ann@example.com", "token": ANN}, {"email": "bob@example.com", "token": BOB}],
                "frontends": {"edge": {"token": "edges-own-token"}},
                "namespaces": {"public": {"zone": "localhost", "open": True, "frontends": ["edge"]}},
            }
        },
    }
    registry = Registry()
    daemon = Daemon(from_tree(tree, registry=registry, environ={}), registry)
    daemon.start()
    yield daemon.components.roles["controller"].address
    daemon.stop(0.1)


class Clients:
    """Calls of the package, by the names of its methods; remembers which were made."""

    def __init__(self, package, address):
        self._package, self._address, self.called = package, address, set()
        self._clients = {}

    def _client(self, token):
        if token not in self._clients:
            configuration = self._package.configuration.Configuration()
            configuration.host = f"http://{self._address}/api/v2"
            configuration.api_key["key"] = token
            self._clients[token] = self._package.ApiClient(configuration=configuration)
        return self._clients[token]

    def __call__(self, token, method, *args, **kwargs):
        for api in APIS:
            found = getattr(getattr(self._package, api)(self._client(token)), method, None)
            if found:
                self.called.add(method)
                return found(*args, **kwargs)
        raise AssertionError(f"no method {method}")

    def refused(self, status, token, method, *args, **kwargs):
        """The error of a call that must be answered so."""
        with pytest.raises(self._package.ApiException) as caught:
            self(token, method, *args, **kwargs)
        assert caught.value.status == status, caught.value

    def every_method(self):
        """All that the package can call."""
        return {
            name
            for api in APIS
            for name, _ in inspect.getmembers(getattr(self._package, api), inspect.isfunction)
            if not name.startswith("_") and not name.endswith(SUFFIXES)
        }

    def parameters(self, method):
        """Which a method has by name."""
        for api in APIS:
            function = getattr(getattr(self._package, api), method, None)
            if function:
                return {name for name in inspect.signature(function).parameters if not name.startswith("_")} - {"self"}
        raise AssertionError(f"no method {method}")

    def close(self):
        for client in self._clients.values():
            client.rest_client.pool_manager.clear()


@pytest.fixture
def call(zrok_api, address):
    clients = Clients(zrok_api, address)
    yield clients
    clients.close()


def test_every_operation_of_the_package_is_answered(call, letters):
    metadata(call)
    accounts(call, letters)
    operator(call)
    sharing(call)
    organizations(call)
    agents(call)
    endings(call)
    assert call.every_method() - call.called == set()


def metadata(call):
    assert call("", "client_version_check", {"clientVersion": "v2.0"}) is None
    call.refused(400, "", "client_version_check", {"clientVersion": "v1.1"})
    assert call("", "configuration").requires_invite_token is True
    assert "zrok v2" in call("", "version")
    assert call("", "version_inventory").controller_version.startswith("zrokd ")
    call.refused(401, "wrong-token", "overview")


def accounts(call, letters):
    call(ADMIN, "invite_token_generate", {"inviteTokens": ["come-on-in"]})
    call("", "invite", {"email": "zoe@example.com", "inviteToken": "come-on-in"})
    call.refused(400, "", "invite", {"email": "zoe@example.com", "inviteToken": "come-on-in"})
    token = letters(1)
    assert call("", "verify", {"registerToken": token}).email == "zoe@example.com"
    call.refused(422, "", "register", {"registerToken": token, "password": "weak"})
    zoe = call("", "register", {"registerToken": token, "password": GOOD}).account_token
    call(zoe, "change_password", {"email": "zoe@example.com", "oldPassword": GOOD, "newPassword": BETTER})
    call.refused(401, "", "login", {"email": "zoe@example.com", "password": GOOD})
    assert call(call("", "login", {"email": "zoe@example.com", "password": BETTER}), "overview").environments == []
    call("", "reset_password_request", {"emailAddress": "zoe@example.com"})
    call("", "reset_password", {"resetToken": letters(2), "password": GOOD})
    fresh = call(zoe, "regenerate_account_token", {"emailAddress": "zoe@example.com"}).account_token
    call.refused(401, zoe, "overview")
    call(fresh, "overview")


def operator(call):
    assert call(ADMIN, "create_account", {"email": "eve@example.com", "password": GOOD}).account_token
    call.refused(409, ADMIN, "create_account", {"email": "eve@example.com", "password": GOOD})
    call(ADMIN, "update_account_password", {"email": "eve@example.com", "password": BETTER})
    made = call(ADMIN, "create_namespace", {"name": "closed.example.com", "token": "closed", "description": "d"})
    assert made.namespace_token == "closed"
    call(ADMIN, "update_namespace", {"namespaceToken": "closed", "description": "other"})
    call(ADMIN, "add_namespace_grant", {"namespaceToken": "closed", "email": "ann@example.com"})
    assert {one.namespace_token for one in call(ADMIN, "list_namespaces")} == {"public", "closed"}
    identity = call(ADMIN, "create_identity", {"name": "classic"})
    frontend = call(ADMIN, "create_frontend", {"zId": identity.identity, "public_name": "classic"}).frontend_token
    call(ADMIN, "update_frontend", {"frontendToken": frontend, "urlTemplate": "https://{token}"})
    assert {one.public_name: one.url_template for one in call(ADMIN, "list_frontends")}["classic"] == "https://{token}"
    for method in ("add_frontend_grant", "delete_frontend_grant"):
        call(ADMIN, method, {"frontendToken": frontend, "email": "ann@example.com"})
    mapping = {"namespaceToken": "closed", "frontendToken": frontend}
    call(ADMIN, "add_namespace_frontend_mapping", mapping | {"isDefault": True})
    assert call(ADMIN, "list_namespace_frontend_mappings", "closed")[0].frontend_token == frontend
    assert call(ADMIN, "list_frontend_namespace_mappings", frontend)[0].is_default is True
    call(ADMIN, "remove_namespace_frontend_mapping", mapping)
    call(ADMIN, "delete_frontend", {"frontendToken": frontend})
    call(ADMIN, "delete_identity", {"zId": identity.identity})
    assert call(ADMIN, "list_limit_classes", {"label": "none"}) == []
    for method in ("apply_limit_classes", "remove_applied_limit_classes"):
        call(ADMIN, method, {"email": "ann@example.com", "limitClassIds": []})
    assert call(ADMIN, "list_applied_limit_classes", {"email": "ann@example.com"}) == []
    call(ADMIN, "grant_skip_interstitial", {"email": "ann@example.com"})
    assert call(ADMIN, "get_skip_interstitial_grant", "ann@example.com").granted is True
    call(ADMIN, "revoke_skip_interstitial", {"email": "ann@example.com"})
    call.refused(401, ANN, "list_frontends")


def sharing(call):
    env = call(ANN, "enable", {"description": "laptop", "host": "linux"})
    assert env.cfg
    call(ANN, "create_share_name", {"namespaceToken": "closed", "name": "blog"})
    call(ANN, "update_share_name", {"namespaceToken": "closed", "name": "blog", "reserved": True})
    assert [one.name for one in call(ANN, "list_all_names")] == ["blog"]
    assert call(ANN, "list_names_for_namespace", "public") == []
    assert {one.namespace_token for one in call(ANN, "list_share_namespaces")} == {"public", "closed"}
    selections = [{"namespaceToken": "closed", "name": "blog"}]
    asked = {"envZId": env.identity, "shareMode": "public", "backendMode": "proxy", "authScheme": "none"}
    public = call(ANN, "share", asked | {"nameSelections": selections})
    assert public.frontend_proxy_endpoints == ["blog.closed.example.com"]
    held = call(ADMIN, "get_name", "closed", "blog")
    assert (held.account_email, held.share_token) == ("ann@example.com", public.share_token)
    private = call(ANN, "share", asked | {"shareMode": "private", "backendMode": "tcpTunnel"}).share_token
    call(ANN, "update_share", {"shareToken": private, "addAccessGrants": ["bob@example.com"]})
    assert call(ANN, "get_share_detail", private).backend_mode == "tcpTunnel"
    access = call(ANN, "access", {"envZId": env.identity, "shareToken": private}).frontend_token
    call(ANN, "update_access", {"frontendToken": access, "bindAddress": "127.0.0.1:9191"})
    (one,) = call(ANN, "list_accesses", bind_address="9191").accesses
    assert call(ANN, "get_frontend_detail", one.id).frontend_token == access
    (summary,) = call(ANN, "list_environments", share_count=">1", has_accesses=True).environments
    assert (summary.env_zid, summary.share_count, summary.access_count) == (env.identity, 2, 1)
    assert [one.share_token for one in call(ANN, "list_shares", share_mode="private", idle=True).shares] == [private]
    filters(call, env.identity, private)
    assert [one.z_id for one in call(ANN, "get_account_detail")] == [env.identity]
    assert len(call(ANN, "get_environment_detail", env.identity).shares) == 2
    assert len(call(ANN, "overview").environments[0].frontends) == 1
    assert len(call(ANN, "get_account_metrics").samples) == 30
    assert call(ANN, "get_environment_metrics", env.identity, duration="24h").scope == "environment"
    assert call(ANN, "get_share_metrics", private, duration="168h").id == private
    assert call(ANN, "get_sparklines", {"shares": [private]}).sparklines[0].id == private
    call(ANN, "unaccess", {"envZId": env.identity, "frontendToken": access, "shareToken": private})
    call.refused(404, BOB, "unshare", {"envZId": env.identity, "shareToken": private})
    for token in (private, public.share_token):
        call(ANN, "unshare", {"envZId": env.identity, "shareToken": token})
    call(ANN, "delete_share_name", {"namespaceToken": "closed", "name": "blog"})


LONG_AGO, FAR_OFF = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
TIMES = [
    ("created_after", LONG_AGO, FAR_OFF),
    ("created_before", FAR_OFF, LONG_AGO),
    ("updated_after", LONG_AGO, FAR_OFF),
    ("updated_before", FAR_OFF, LONG_AGO),
]
ACTIVITY = [("has_activity", False, True), ("idle", True, None), ("activity_duration", "7d", None)]


def filters(call, env, private):
    """Every filter of every list: a value that something fits, and, where there is one, a value that nothing does."""
    listed = {
        "list_environments": [
            *TIMES, *ACTIVITY, ("description", "LAP", "desk"), ("host", "lin", "mac"), ("address", "127.0.0.1", "::2"),
            ("remote_agent", False, True), ("has_shares", True, False), ("has_accesses", True, False),
            ("share_count", ">=2", "<2"), ("access_count", "=1", ">1"),
        ],
        "list_shares": [
            *TIMES, *ACTIVITY, ("env_zid", env, "none"), ("share_mode", "private", "neither"), ("target", None, "none"),
            ("backend_mode", "tcpTunnel", "socks"), ("permission_mode", "open", "neither"),
            ("share_token", private, "none"),
        ],
        "list_accesses": [
            *TIMES, ("env_zid", env, "none"), ("share_token", private, "none"), ("bind_address", "9191", "none"),
            ("description", None, "none"),
        ],
    }  # fmt: skip
    for method, known in listed.items():
        assert {name for name, _, _ in known} == call.parameters(method), method
        for name, fitting, empty in known:
            assert found(call(ANN, method, **({} if fitting is None else {name: fitting}))), (method, name, fitting)
            assert empty is None or not found(call(ANN, method, **{name: empty})), (method, name, empty)


def found(answer):
    """The one list in an answer."""
    (items,) = [value for value in answer.to_dict().values() if isinstance(value, list)]
    return items


def organizations(call):
    club = call(ADMIN, "create_organization", {"description": "club"}).organization_token
    for email, admin in (("ann@example.com", True), ("bob@example.com", False)):
        call(ADMIN, "add_organization_member", {"organizationToken": club, "email": email, "admin": admin})
    assert len(call(ADMIN, "list_organization_members", {"organizationToken": club}).members) == 2
    assert call(ADMIN, "list_organizations").organizations[0].description == "club"
    assert call(ANN, "list_memberships").memberships[0].admin is True
    assert len(call(ANN, "list_org_members", club).members) == 2
    assert call(ANN, "org_account_overview", club, "bob@example.com").environments == []
    call.refused(404, BOB, "list_org_members", club)
    call(ADMIN, "remove_organization_member", {"organizationToken": club, "email": "bob@example.com"})
    call(ADMIN, "delete_organization", {"organizationToken": club})


def agents(call):
    env = call(ANN, "list_environments").environments[0].env_zid
    one = {"envZId": env}
    assert call(ANN, "enroll", one).token
    assert call(ANN, "list_environments", remote_agent=True).environments
    for method in ("ping", "remote_status", "remote_share", "remote_unshare", "remote_access", "remote_unaccess"):
        call.refused(502, ANN, method, one)
    call.refused(502, ANN, "share_http_healthcheck", one)
    call(ANN, "unenroll", one)


def test_an_agent_is_commanded_by_the_package(zrok_api, tmp_path):
    with Scenario(tmp_path, changes={"roles": {"backend": {"agent": True}}}) as site:
        clients = Clients(zrok_api, site.controller)
        try:
            commanded(site, lambda method, *args: clients(ACCOUNT_TOKEN, method, *args))
        finally:
            clients.close()


def commanded(site, call):
    (env,) = call("list_environments").environments
    one = {"envZId": env.env_zid}
    with gevent.Timeout(20):
        while not site.daemon.components.roles["backend"].health().ok:
            gevent.sleep(0.01)
    assert call("ping", one).version.startswith("zrokd ")
    order = {"shareMode": "private", "backendMode": "proxy", "open": True, "privateShareToken": "greeting"}
    order["target"] = site.controller_url
    assert call("remote_share", one | order).token == "greeting"
    access = call("remote_access", one | {"token": "greeting", "bindAddress": "127.0.0.1:0"}).frontend_token
    status = call("remote_status", one)
    assert [(each.token, each.status, each.backend_mode) for each in status.shares] == [("greeting", "active", "proxy")]
    assert [(each.frontend_token, each.token) for each in status.accesses] == [(access, "greeting")]
    checkup = one | {"shareToken": "greeting", "endpoint": "/api/v2/version", "timeoutMs": 9000}
    assert call("share_http_healthcheck", checkup | {"expectedHttpResponse": 200}).healthy is True
    checked = call("share_http_healthcheck", checkup | {"expectedHttpResponse": 404})
    assert (checked.healthy, checked.error) == (False, "expected 404, got 200")
    call("remote_unaccess", one | {"frontendToken": access})
    call("remote_unshare", one | {"token": "greeting"})
    assert call("remote_status", one).to_dict() == {"shares": [], "accesses": []}


def endings(call):
    call(ADMIN, "remove_namespace_grant", {"namespaceToken": "closed", "email": "ann@example.com"})
    call(ADMIN, "delete_namespace", {"namespaceToken": "closed"})
    call(ANN, "disable", {"identity": call(ANN, "list_environments").environments[0].env_zid})
    assert call(ANN, "overview").environments == []
    call(ADMIN, "delete_account", {"email": "eve@example.com"})
