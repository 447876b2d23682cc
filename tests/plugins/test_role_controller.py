import ipaddress
import json
import logging
import resource
import socket
import sqlite3
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace

import gevent
import pytest
import requests
from gevent.event import Event
from gevent.monkey import get_original
from pydantic import ValidationError
from zrokd_plugins.role_controller import ControllerRole, zrokd_provide_roles
from zrokd_plugins.role_controller import role as role_module
from zrokd_plugins.role_controller.company import Company
from zrokd_plugins.role_controller.declared import bandwidth_of, limits_of
from zrokd_plugins.role_controller.identify import Identifier
from zrokd_plugins.role_controller.settings import BandwidthSettings, ControllerSettings, LimitSettings

from zrokd.client.controller import Controller
from zrokd.config.load import from_tree
from zrokd.contracts import Health
from zrokd.errors import Conflict, Denied, OverlayError, RestartNeeded, StartError, StoreError, StoreUnfit, Unavailable
from zrokd.host.daemon import Daemon
from zrokd.host.registry import Registry
from zrokd.model.account import Credentials, Principal
from zrokd.model.limits import LimitAction, Limits, UsageSample
from zrokd.model.share import ShareDraft, ShareMode
from zrokd.model.units import Secret
from zrokd.net.signal import Bell
from zrokd.store import meta

CONTROLLER = {
    "listen": "127.0.0.1:0",
    "accounts": [{"email": "ann@example.com", "token": "anns-own-token"}],
    "frontends": {"edge": {"token": "edges-own-token"}},
    "namespaces": {"public": {"zone": "localhost", "url": "http://{host}:8080", "open": True, "frontends": ["edge"]}},
}


@pytest.fixture(scope="session")
def registry():
    return Registry()


@pytest.fixture
def load(tmp_path, registry):
    """load(...): the configuration of a daemon that is only a controller; arguments change its role."""

    def make(**changes):
        tree = {
            "version": 1,
            "state_dir": str(tmp_path / "state"),
            "drain": "2s",
            "auth": [{"use": "token"}, {"use": "secret", "secrets": ["operators-secret"]}],
            "roles": {"controller": {**CONTROLLER, **changes}},
        }
        return from_tree(tree, registry=registry, environ={})

    return make


@pytest.fixture
def start(load, registry):
    """start(...): a running daemon and its controller role."""
    daemons = []

    def begin(**changes):
        daemon = Daemon(load(**changes), registry)
        daemons.append(daemon)
        daemon.start()
        return daemon, daemon.components.roles["controller"]

    yield begin
    for daemon in daemons:
        daemon.stop(0.1)


@pytest.fixture
def call():
    """call(role, token): a client of it, closed at the end."""
    clients = []

    def make(role, token="anns-own-token"):
        clients.append(Controller(f"http://{role.address}", Secret(token), timeout_s=10))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def draft(env, **changes):
    return ShareDraft(**{"env_z_id": env, "share_mode": ShareMode.PUBLIC, "mode": "proxy", **changes})


# -- life ---


def test_a_controller_works_from_an_empty_folder(start, call, tmp_path):
    _, role = start()
    client = call(role)
    identity = client.enable("desk", "linux")
    token, hosts = client.share(draft(identity.z_id, target="http://127.0.0.1:1"))
    assert hosts == (f"{token}.localhost",)
    assert client.share_urls(token) == (f"http://{token}.localhost:8080",)
    assert list(tmp_path.rglob(token))
    edge = call(role, "edges-own-token")
    assert [m.token for m in edge.mappings("", 0, 0).mappings] == [token]
    assert json.loads(edge.identity().document)["overlay"] == "local"
    assert role.health().ok


def test_what_was_made_is_there_after_a_restart(start, call):
    daemon, role = start()
    identity = call(role).enable("desk", "linux")
    token, _ = call(role).share(draft(identity.z_id))
    daemon.stop(0.1)
    _, again = start()
    assert call(again).find_share(token)[0] == identity.z_id


def test_declared_things_are_made_once_and_kept_so(start, call):
    daemon, _ = start()
    daemon.stop(0.1)
    public = {**CONTROLLER["namespaces"]["public"], "zone": "new.example.com"}
    _, role = start(namespaces={"public": public}, accounts=[{"email": "ann@example.com", "token": "another-token"}])
    (namespace,) = call(role, "another-token").list_namespaces()
    assert namespace.zone == "new.example.com"
    with pytest.raises(Denied):
        call(role).overview()


def test_what_cannot_be_declared_stops_the_start_and_leaves_nothing_open(start):
    daemon, _ = start(accounts=[{"email": "a@b.c", "token": "of-an-account"}])
    daemon.stop(0.1)
    with pytest.raises(Conflict, match="token") as caught:
        start(accounts=[{"email": "d@e.f", "token": "of-an-account"}])
    assert "of-an-account" not in str(caught.value)


def test_after_a_start_of_the_machine_frontends_ask_for_all_names_again(start, tmp_path, monkeypatch):
    boot = tmp_path / "boot_id"
    monkeypatch.setattr("zrokd_plugins.role_controller.role._BOOT", boot)
    epochs = []
    for each in ("one", "one", "two"):
        boot.write_text(f"{each}\n")
        daemon, role = start()
        epochs.append(role._store.read(meta.epoch))
        daemon.stop(0.1)
    assert epochs[0] == epochs[1] != epochs[2]


def test_a_port_in_use_stops_the_start(start):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StartError, match=str(taken.getsockname()[1])):
        start(listen=f"127.0.0.1:{taken.getsockname()[1]}")


def test_without_auto_migrate_an_old_database_stops_the_start(start):
    with pytest.raises(StartError, match="zrokd db upgrade"):
        start(auto_migrate=False)
    daemon, _ = start()
    daemon.stop(0.1)
    start(auto_migrate=False)


def test_a_newer_database_stops_the_start(start, tmp_path):
    daemon, _ = start()
    daemon.stop(0.1)
    (file,) = tmp_path.rglob("*.sqlite3")
    with sqlite3.connect(file) as database:
        database.execute("insert into schema_migration (name, applied) values ('9999_future', '2040-01-01')")
    database.close()
    with pytest.raises(StartError, match="9999_future"):
        start()


def test_closing_a_role_that_never_opened_does_nothing():
    role = ControllerRole(ControllerSettings(), SimpleNamespace())
    role.drain(0)
    role.close()
    assert not role.health().ok


# -- http ---


def test_bodies_are_bounded_before_anybody_is_asked_who_he_is(start):
    _, role = start(max_body="1KiB")
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"http://{role.address}/api/v2/enable", b"x" * 2000, headers=headers, timeout=10)
    assert answer.status_code == 413


def test_a_header_with_an_underscore_is_no_token(start):
    _, role = start()
    answer = requests.get(f"http://{role.address}/api/v2/overview", headers={"X_Token": "anns-own-token"}, timeout=10)
    assert answer.status_code == 401


def test_empty_answers_have_no_type(start):
    _, role = start()
    answer = requests.post(
        f"http://{role.address}/api/v2/clientVersionCheck", json={"clientVersion": "v2.0.4"}, timeout=10
    )
    assert answer.content == b""
    assert "Content-Type" not in answer.headers


def test_passwords_of_shares_are_hashed_off_the_hub_and_verify(start, call):
    from zrokd.model.passwords import verify_password
    from zrokd.model.share import Gating

    _, role = start()
    env = call(role).enable("d", "h").z_id
    users = [{"username": "u", "password": "open sesame"}]
    call(role).share(draft(env, gating=Gating(gate="basic", config={"users": users})))
    (mapping,) = call(role, "edges-own-token").mappings("", 0, 0).mappings
    (user,) = mapping.gating.config["users"]
    assert gevent.get_hub().threadpool.apply(verify_password, ("open sesame", user["hash"]))


# -- waiting frontends ---


def test_a_frontend_hears_of_a_share_at_once(start, call):
    _, role = start()
    edge, client = call(role, "edges-own-token"), call(role)
    env, first = client.enable("d", "h").z_id, edge.mappings("", 0, 0)
    waiting = gevent.spawn(edge.mappings, first.epoch, first.version, 20)
    gevent.sleep(0.05)
    began = time.monotonic()
    token, _ = client.share(draft(env))
    waiting.join(10)
    assert [m.token for m in waiting.get().mappings] == [token]
    assert time.monotonic() - began < 5


def test_waiting_frontends_do_not_hold_up_the_end(start, call, patient):
    daemon, role = start()
    edge = call(role, "edges-own-token")
    first = edge.mappings("", 0, 0)
    waiting = gevent.spawn(edge.mappings, first.epoch, first.version, 25)
    patient(lambda: role.active > 0)
    gevent.sleep(0.1)
    began = time.monotonic()
    daemon.stop(20)
    assert time.monotonic() - began < 5
    assert waiting.get(timeout=5).mappings == ()


# -- reload ---


def test_limits_count_from_the_reload_on(start, call, load):
    _, role = start()
    call(role).enable("one", "h")
    role.reload(load(listen="127.0.0.1:0", limits={"environments": 1}).roles["controller"].settings)
    with pytest.raises(Conflict, match="no more than 1 environments"):
        call(role).enable("two", "h")
    role.reload(load().roles["controller"].settings)
    call(role).enable("two", "h")


def test_accounts_namespaces_and_frontends_are_taken_up(start, call, load):
    _, role = start()
    changes = {
        "accounts": [*CONTROLLER["accounts"], {"email": "bob@example.com", "token": "bobs-own-token"}],
        "frontends": {"west": {"token": "wests-own-token"}},
        "namespaces": {"public": {"zone": "localhost", "open": True, "frontends": ["west"]},
                       "vip": {"zone": "vip.example.com", "open": True}},
    }  # fmt: skip
    role.reload(load(**changes).roles["controller"].settings)
    assert {n.token for n in call(role, "bobs-own-token").list_namespaces()} == {"public", "vip"}
    call(role, "wests-own-token").mappings("", 0, 0)
    with pytest.raises(Denied):
        call(role, "edges-own-token").mappings("", 0, 0)


def test_a_new_port_is_taken_up_and_old_connections_live_on(start, load):
    _, role = start()
    old = str(role.address)
    with requests.Session() as session:
        assert session.get(f"http://{old}/api/v2/versions", timeout=10).status_code == 200
        role.reload(load(listen="127.0.0.2:0").roles["controller"].settings)
        assert str(role.address).startswith("127.0.0.2:")
        assert session.get(f"http://{old}/api/v2/versions", timeout=10).status_code == 200
    assert requests.get(f"http://{role.address}/api/v2/versions", timeout=10).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{old}/api/v2/versions", timeout=10)


def test_a_reload_that_changes_nothing_touches_nothing(start, load):
    _, role = start()
    old = role.address
    role.reload(load().roles["controller"].settings)
    assert role.address == old


@pytest.mark.parametrize(
    "change", [{"instance": "other"}, {"auto_migrate": False}, {"max_body": "1KiB"}, {"max_connections": 5}]
)
def test_what_is_fixed_at_the_start_needs_a_restart(start, load, change):
    _, role = start()
    with pytest.raises(RestartNeeded, match=f"roles.controller.{next(iter(change))}"):
        role.reload(load(**change).roles["controller"].settings)


def test_a_reload_that_the_store_refuses_leaves_all_as_it_was(start, call, load):
    _, role = start()
    old = role.address
    changes = {
        "listen": "127.0.0.2:0",
        "frontends": {"edge": {"token": "another-edge-token"}},
        "accounts": [{"email": "ben@example.com", "token": CONTROLLER["accounts"][0]["token"]}],
    }
    with pytest.raises(Conflict, match="token"):
        role.reload(load(**changes).roles["controller"].settings)
    assert role.address == old
    call(role).overview()
    call(role, "edges-own-token").mappings("", 0, 0)


def test_a_reload_to_a_port_in_use_leaves_all_as_it_was(start, call, load):
    _, role = start()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StartError):
        role.reload(load(listen=f"127.0.0.1:{taken.getsockname()[1]}").roles["controller"].settings)
    call(role).overview()


# -- reconciling and health ---


def test_orphans_on_the_overlay_are_removed_soon_after_the_start(start, patient, caplog):
    daemon, role = start()
    role._admin.create_share("orphan", "z1", public=True, config={})
    folder = next(path for path in daemon.configuration.state_dir.rglob("orphan"))
    daemon.stop(0.1)
    start()
    patient(lambda: not folder.exists())
    patient(lambda: "reconciled: delete share orphan" in caplog.text)


def test_work_that_was_cut_short_is_finished_at_the_next_start(start, call, patient, tmp_path, monkeypatch):
    daemon, role = start()
    env = call(role).enable("d", "h").z_id
    token, _ = call(role).share(draft(env))
    with monkeypatch.context() as patch:
        patch.setattr(type(role._admin), "delete_share", _away)
        with pytest.raises(Unavailable):
            call(role).unshare(env, token)
    daemon.stop(0.1)
    assert list((tmp_path / "state").rglob(token))
    start()
    patient(lambda: not list((tmp_path / "state").rglob(token)))


def test_work_under_way_is_not_judged_by_the_services_of_a_reload(start, call, load, monkeypatch, patient):
    _, role = start()
    env = call(role).enable("d", "h").z_id
    admin, ready, go = type(role._admin), Event(), Event()

    def slow(*args, **kwargs):
        ready.set()
        go.wait(10)
        return real(*args, **kwargs)

    real = admin.create_share
    monkeypatch.setattr(admin, "create_share", slow)
    sharing = gevent.spawn(call(role).share, draft(env))
    ready.wait(10)
    role.reload(load(limits={"shares": 5}).roles["controller"].settings)
    role._reconcile()
    go.set()
    token, _ = sharing.get(timeout=10)
    assert call(role).find_share(token)[0] == env


def test_an_overlay_that_fails_is_told_once_and_in_health(start, patient, caplog, monkeypatch):
    _, role = start(reconcile_every="1s")
    patient(lambda: not role._reconciling.done)
    monkeypatch.setattr(type(role._admin), "list_shares", _away)
    for _ in range(3):
        role._reconcile()
    assert caplog.text.count("cannot be compared: the overlay is away") == 1
    assert not role.health().ok
    assert "the overlay is away" in role.health().detail
    monkeypatch.undo()
    role._reconcile()
    assert role.health().ok


def _away(self, *_):
    from zrokd.errors import OverlayError

    raise OverlayError("the overlay is away")


def test_a_comparison_that_breaks_is_logged_and_tried_again(start, caplog, monkeypatch):
    _, role = start()
    monkeypatch.setattr(role, "services", SimpleNamespace(reconciler=None))
    role._reconcile()
    assert "comparing store and overlay failed" in caplog.text
    assert not role.health().ok
    monkeypatch.undo()
    role._reconcile()
    assert role.health().ok


@pytest.mark.parametrize("failure", [OverlayError("the overlay is away"), RuntimeError("broken")])
def test_sums_are_made_and_old_things_forgotten_while_the_overlay_tells_nothing(start, monkeypatch, caplog, failure):
    _, role = start()
    made = []

    def tell():
        raise failure

    monkeypatch.setattr(role.services.usage, "collect", tell)
    monkeypatch.setattr(role.services.usage, "roll_up", lambda: made.append("sums"))
    monkeypatch.setattr(role.services.binds, "prune", lambda: made.append("room"))
    role._keep_up()
    assert set(made) == {"sums", "room"}  # its own round may have begun meanwhile
    assert "what the overlay counted cannot be taken up now" in caplog.text


def test_no_secret_is_logged(start, call, caplog):
    with caplog.at_level(logging.DEBUG):
        daemon, role = start()
        call(role).enable("d", "h")
        call(role, "operators-secret").list_accounts()
        call(role, "edges-own-token").identity()
        with pytest.raises(Denied):
            call(role, "a-wrong-token").overview()
        daemon.stop(0.1)
    for secret in ("anns-own-token", "edges-own-token", "operators-secret", "a-wrong-token"):
        assert secret not in caplog.text


# -- who asks ---


class Says:
    """An authenticator that returns or raises one thing."""

    def __init__(self, answer):
        self.name, self.answer, self.asked = "says", answer, 0

    def authenticate(self, credentials, directory):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


ANN, BOB = Principal(account_id=1, email="a@b.example"), Principal(account_id=2, email="b@b.example")


@pytest.mark.parametrize(
    ("answers", "expected", "asked"),
    [
        ([None, ANN, BOB], ANN, [1, 1, 0]),
        ([None, None], None, [1, 1]),
        ([], None, []),
        ([Denied("no"), ANN], None, [1, 0]),
        ([RuntimeError("broken"), ANN], None, [1, 0]),
    ],
)
def test_authenticators_are_asked_in_order_until_one_knows(answers, expected, asked):
    chain = [Says(answer) for answer in answers]
    identify = Identifier(lambda: chain, None, logging.getLogger("test"))
    assert identify(Credentials(token="x")) == expected
    assert [one.asked for one in chain] == asked


def test_a_broken_authenticator_is_logged_without_the_token(caplog):
    identify = Identifier(lambda: [Says(RuntimeError("broken"))], None, logging.getLogger("test"))
    identify(Credentials(token="canary"))
    assert "the authenticator says failed; denied" in caplog.text
    assert "canary" not in caplog.text


def test_a_store_that_is_away_is_not_a_denial():
    identify = Identifier(lambda: [Says(StoreError("locked")), Says(ANN)], None, logging.getLogger("test"))
    with pytest.raises(StoreError):
        identify(Credentials(token="x"))


# -- settings ---


@pytest.mark.parametrize(
    "wrong",
    [
        {"listen": "nowhere"},
        {"instance": "Not valid"},
        {"limits": {"shares": -2}},
        {"reconcile_every": "0s"},
        {"max_connections": 0},
        {"namespaces": {"public": {}}},
        {"frontends": {"edge": {}}},
        {"accounts": [{"email": "a@b.example"}]},
        {"unknown": 1},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        ControllerSettings(**wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"namespaces": {"public": {"zone": "Not a zone"}}}, "is not a DNS zone: write it like share.example.com"),
        ({"namespaces": {"public": {"zone": "a.example", "url": "http://a"}}}, "needs {host} in it"),
        ({"accounts": [{"email": "nobody", "token": "long-enough"}]}, "'nobody' is not an e-mail address"),
        ({"accounts": [{"email": "a@b.example", "token": "short"}]}, "the token of an account must be 8 to 256"),
        ({"frontends": {"edge": {"token": "short"}}}, "the token of a frontend must be 8 to 256"),
        (
            {
                "frontends": {"edge": {"token": "long-enough"}},
                "namespaces": {"public": {"zone": "a.example", "frontends": ["egde"]}},
            },
            "no frontend is called 'egde'",
        ),
    ],
)
def test_what_the_start_would_refuse_is_refused_before_it(wrong, said):
    with pytest.raises(ValidationError) as refused:
        ControllerSettings(**wrong)
    assert said in str(refused.value)
    assert "short" not in str(refused.value.errors()[0]["msg"])


EDGE = {"edge": {"token": "edges-own-token"}}
ANN = {"email": "a@b.c", "token": "anns-own-token"}
BEN = {"email": "d@e.f", "token": "bens-own-token"}
PLACES = [
    (
        {"frontends": EDGE, "namespaces": {"p": {"zone": "a.example", "frontends": ["edge", "egde", "x"]}}},
        [
            (("namespaces", "p", "frontends", 1), "did you mean 'edge'?"),
            (("namespaces", "p", "frontends", 2), "name it in `frontends`, with a token"),
        ],
    ),
    (
        {"namespaces": {"p": {"zone": "a.example"}, "q": {"zone": "b.example"}, "r": {"zone": "a.example"}}},
        [(("namespaces", "r", "zone"), ("namespaces", "p", "zone"))],
    ),
    (
        {"frontends": EDGE | {"other": {"token": "edges-own-token"}}},
        [(("frontends", "other", "token"), ("frontends", "edge", "token"))],
    ),
    ({"accounts": [ANN, BEN | {"email": "A@b.c"}]}, [(("accounts", 1, "email"), ("accounts", 0, "email"))]),
    ({"accounts": [ANN, BEN | {"token": ANN["token"]}]}, [(("accounts", 1, "token"), ("accounts", 0, "token"))]),
    ({"frontends": {"not a word": {"token": "long-enough"}}}, [(("frontends", "not a word"), "")]),
    ({"namespaces": {"no word": {"zone": "a.example"}}}, [(("namespaces", "no word"), "")]),
]


@pytest.mark.parametrize(("wrong", "places"), PLACES)
def test_rules_over_several_keys_name_each_that_is_meant(wrong, places):
    with pytest.raises(ValidationError) as refused:
        ControllerSettings(**wrong)
    found = [mistake for item in refused.value.errors() for mistake in item["ctx"]["error"].found]
    assert [(each.path, each.first or each.hint) for each in found] == places


def test_limits_of_the_yaml_are_limits_of_the_model():
    settings = LimitSettings(environments=1, shares=2, names=3, accesses=4)
    assert limits_of(settings) == Limits(environments=1, shares=2, names=3, accesses=4)
    assert limits_of(LimitSettings()) == Limits()


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_roles()] == ["controller"]


def test_passwords_of_one_account_do_not_hold_up_another(start, monkeypatch):
    """Hashing takes a core for a while; here it takes until the test lets it go."""
    going_on, hashing, sleep = [], [], get_original("time", "sleep")

    def slow(password):
        hashing.append(password)
        while not going_on:
            sleep(0.01)
        return "scrypt$x"

    def share():
        users = [{"username": "u", "password": "p"}]
        body = {"envZId": "none", "shareMode": "public", "backendMode": "proxy", "authScheme": "basic",
                "basicAuthUsers": users}  # fmt: skip
        headers = {"X-Token": "anns-own-token"}
        return requests.post(f"http://{role.address}/api/v2/share", json=body, headers=headers, timeout=10)

    monkeypatch.setattr("zrokd_plugins.role_controller.role.hash_password", slow)
    _, role = start(accounts=[*CONTROLLER["accounts"], {"email": "bob@example.com", "token": "bobs-own-token"}])
    asked = [gevent.spawn(share) for _ in range(30)]
    try:
        while len(hashing) < 2:
            gevent.sleep(0.01)
        headers = {"X-Token": "bobs-own-token"}
        answer = requests.get(f"http://{role.address}/api/v2/overview", headers=headers, timeout=2)
        assert answer.status_code == 200 and len(hashing) == 2
    finally:
        going_on.append(True)
        gevent.joinall(asked)
    assert {one.value.status_code for one in asked} == {404}


@pytest.mark.parametrize("asked", [b"", b"GET /api/v2/version HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_connections_that_only_wait_leave_room_for_those_who_ask(start, asked):
    _, role = start(max_connections=10)
    with ExitStack() as held:
        for _ in range(20):
            sock = held.enter_context(socket.create_connection((role.address.host, role.address.port)))
            sock.sendall(asked)
        for _ in range(5):
            answer = requests.get(f"http://{role.address}/api/v2/versions", timeout=2)
            assert answer.status_code == 200


def test_an_address_has_so_many_connections_and_no_more(start, monkeypatch):
    monkeypatch.setattr("zrokd.proxy.visitors._counted", lambda _host: ipaddress.ip_network("192.0.2.1/32"))
    _, role = start(per_address=2)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(socket.create_connection((role.address.host, role.address.port)))
        assert requests.get(f"http://{role.address}/api/v2/versions", timeout=5).status_code == 429
    answers = (requests.get(f"http://{role.address}/api/v2/versions", timeout=5).status_code for _ in range(100))
    assert 200 in answers


@pytest.mark.parametrize("framing", ["Content-Length: 104857600", "Transfer-Encoding: chunked"])
def test_a15_large_bodies_of_nobody_are_refused_and_take_no_memory(start, framing):
    """A hundred at once, each of 100 MiB by its own word, and as much of it as we take."""
    _, role = start()

    def pages():
        return int(Path("/proc/self/statm").read_text().split()[1])

    head = f"POST /api/v2/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{framing}\r\n\r\n".encode()
    piece = b"%x\r\n%s\r\n" % (65536, b"x" * 65536) if "chunked" in framing else b"x" * 65536

    def send():
        with socket.create_connection((role.address.host, role.address.port), 10) as sock:
            sock.sendall(head)
            with suppress(OSError):  # it is not read to its end
                for _ in range(64):
                    sock.sendall(piece)
            with suppress(ConnectionResetError):
                return sock.recv(12)
        return b""

    before = pages()
    sending = [gevent.spawn(send) for _ in range(100)]
    gevent.joinall(sending, timeout=25)
    assert {one.value for one in sending} <= {b"HTTP/1.1 413", b""}
    assert b"HTTP/1.1 413" in {one.value for one in sending}
    assert (pages() - before) * resource.getpagesize() < 64 << 20


def test_guessed_tokens_stand_in_a_line_of_their_own(caplog):
    """And what was found good is still asked about every time."""
    end, asking, good = Event(), [], {"anns-own-token"}

    class Slow:
        name = "slow"

        def authenticate(self, credentials, _directory):
            if credentials.token.startswith("guess"):
                asking.append(credentials.token)
                end.wait()
            return Principal(account_id=1) if credentials.token in good else None

    identifier = Identifier(lambda: [Slow()], None, logging.getLogger())
    ann = Credentials(token="anns-own-token")
    assert identifier(ann).account_id == 1
    guesses = [gevent.spawn(identifier, Credentials(token=f"guess {number}")) for number in range(50)]
    gevent.sleep(0)
    assert len(asking) == 2
    with gevent.Timeout(1):
        assert identifier(ann).account_id == 1
    good.clear()
    assert identifier(ann) is None
    end.set()
    gevent.joinall(guesses)
    assert len(asking) == 50


# -- a full disk ---


def test_a_full_disk_is_told_by_health_until_it_is_over(start, monkeypatch, caplog):
    monkeypatch.setattr(role_module, "_AGAIN_S", 0.02)
    daemon, role = start()
    store, there_is_room = role._store, Event()

    def full(work):
        if not there_is_room.is_set():
            raise StoreUnfit("the disk under the database is full")
        return write(work)

    write = store._write
    monkeypatch.setattr(store, "_write", full)
    for number in range(3):
        answer = requests.post(
            f"http://{role.address}/api/v2/share/name",
            json={"name": f"blog{number}", "namespaceToken": "public"},
            headers={"X-TOKEN": "anns-own-token"},
            timeout=10,
        )
        assert answer.status_code == 503
    assert role.health() == Health(
        ok=False, detail="the database takes no changes: the disk under the database is full"
    )
    assert "database" in daemon._health.report("/readyz/controller")[1]["components"]["role.controller"]["detail"]
    there_is_room.set()
    with gevent.Timeout(10):
        while not role.health().ok:
            gevent.sleep(0.01)
    assert [line for line in caplog.messages if "takes" in line] == [
        "the database takes no changes: the disk under the database is full",
        "the database takes changes again",
    ]
    assert "Unavailable" not in caplog.text


# -- several controllers ---


class FakePeers:
    """Leads as it is told; `broken` raises at every beat."""

    def __init__(self):
        self.leads, self.wish, self.broken, self.gone, self.closed = False, False, False, set(), 0

    def beat(self):
        self.leads = self.wish and not self.broken
        if self.broken:
            raise StoreError("no session")
        return self.leads

    def dead(self, workers):
        return self.gone & set(workers)

    def close(self):
        self.closed += 1


class FakeStore:
    """A store with others' work in it."""

    alone, database = False, None

    def __init__(self):
        self.version, self.workers, self.abandoned = 0, {"me", "other"}, []

    def offload(self, function, *args):
        return function(*args)

    def read(self, function):
        return self.version if function.__name__ == "version" else set(self.workers)

    def write(self, _function, dead):
        self.abandoned.append(dead)
        return len(dead)


@pytest.fixture
def company(monkeypatch, small_ctx, caplog):
    """A run among others, whose peers and store are fakes; `stay` beats and looks without pause."""
    caplog.set_level("DEBUG")
    peers = FakePeers()
    monkeypatch.setattr("zrokd_plugins.role_controller.company.peers_of", lambda _database, _worker: peers)
    made = Company(FakeStore(), "me", Bell(), small_ctx.log)
    made.peers, made.store, made.news = peers, made._store, made._news
    yield made
    made.leave()


def stay(company, ctx):
    company.stay(ctx.spawn, lambda: 0.001, lambda: 0.001)


def test_who_begins_to_lead_sweeps_at_once_and_who_follows_does_not(company, small_ctx, patient):
    company.join()
    stay(company, small_ctx)
    assert not company.leads and company.attention.version == 0
    company.peers.wish = True
    patient(lambda: company.leads)
    assert company.attention.wait(0, 5) == 1


def test_a_leader_lets_others_go_on_with_the_work_of_the_dead(company, small_ctx, patient):
    company.peers.wish = True
    company.join()
    rung = company.attention.version
    stay(company, small_ctx)
    company.peers.gone = {"other", "me"}
    assert company.attention.wait(rung, 5) > rung
    assert company.store.abandoned[0] == {"other"}, "never its own"


def test_a_session_that_breaks_ends_the_lead_and_the_loop_goes_on(company, small_ctx, patient, caplog):
    company.peers.wish = True
    company.join()
    stay(company, small_ctx)
    company.peers.broken = True
    patient(lambda: not company.leads)
    patient(lambda: "does not lead any more" in caplog.text)
    company.peers.broken = False
    patient(lambda: company.leads)


def test_names_that_another_wrote_wake_who_waits_for_news(company, small_ctx):
    stay(company, small_ctx)
    heard = company.news.wait(0, 5)
    company.store.version = 7
    assert company.news.wait(heard, 5) == heard + 1
    assert company.news.wait(heard + 1, 0.05) == heard + 1, "no ring without a change"


def test_who_leaves_is_seen_no_more_and_beats_no_more(company, small_ctx):
    stay(company, small_ctx)
    company.leave()
    company.leave()
    assert company.peers.closed == 2
    assert all(task.done for task in company._tasks)


def test_who_follows_does_not_sweep_and_who_leads_does(start, monkeypatch, patient):
    swept = []
    monkeypatch.setattr("zrokd.service.reconcile.Reconciler.reconcile", lambda *_: swept.append(1) or ())
    monkeypatch.setattr("zrokd.store.peers.Alone.leads", False)
    _, role = start()
    for _ in range(3):
        role._company.attention.ring()
        gevent.sleep(0)
    assert role.health().ok and not swept
    monkeypatch.setattr("zrokd.store.peers.Alone.leads", True)
    role._company.attention.ring()
    patient(lambda: swept)
    assert swept == [1]


def test_a_controller_alone_on_its_database_asks_nobody(start):
    _, role = start()
    assert role._company.leads and role._company._tasks == []


# -- limits of bytes ---


def test_the_limits_of_bytes_are_those_of_the_yaml():
    assert bandwidth_of(BandwidthSettings()) == ()
    settings = BandwidthSettings.model_validate({"period": "2h", "warning": {"rx": "1KiB"}, "limit": {"total": "1MiB"}})
    warning, limit = bandwidth_of(settings)
    assert (warning.limit_action, warning.rx_bytes, warning.total_bytes) == (LimitAction.WARNING, 1024, -1)
    assert (limit.limit_action, limit.total_bytes, limit.period_minutes) == (LimitAction.LIMIT, 2**20, 120)


def test_who_uses_up_the_bytes_of_the_yaml_is_limited_with_a_mail(start, call, tmp_path):
    bandwidth = {"limit": {"total": "1KiB"}}
    _, role = start(limits={"bandwidth": bandwidth, "check_every": "0.1s"}, mail={"dir": str(tmp_path / "mail")})
    client, edge = call(role), call(role, "edges-own-token")
    token, _ = client.share(draft(client.enable("desk", "linux").z_id))
    first = edge.mappings("", 0, 0)
    edge.report_usage("edge-1", "one", [UsageSample(share_token=token, rx_bytes=1000, tx_bytes=24, at_ms=0)])
    (told,) = edge.mappings(first.epoch, first.version, 10).mappings
    assert (told.token, told.limited) == (token, True)
    assert client.share_detail(token)["limited"] and client.overview()["accountLimited"]
    until = time.monotonic() + 5
    while not (letters := list((tmp_path / "mail").glob("*.eml"))):
        assert time.monotonic() < until, "no mail came"
        gevent.sleep(0.02)
    assert len(letters) == 1 and b"used up" in letters[0].read_bytes()


def test_a_controller_that_does_not_lead_limits_nobody(start, call, monkeypatch):
    monkeypatch.setattr(Company, "leads", False)
    _, role = start(limits={"check_every": "0.1s"})
    looked = Event()
    monkeypatch.setattr(role, "_limit", looked.set)
    assert not looked.wait(0.5)
