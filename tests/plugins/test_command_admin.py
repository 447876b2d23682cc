import contextlib
import json
import re
import socket
import sqlite3
import subprocess
import sys

import pytest
from click.testing import CliRunner
from zrokd_plugins.command_admin import zrokd_provide_commands
from zrokd_plugins.command_db import DbCommand
from zrokd_plugins.overlay_ziti.authority import Authority

from tests import zrok_v2
from tests.plugins.overlay_ziti.fake import FakeController
from zrokd.api.resources import trail
from zrokd.config.load import from_tree
from zrokd.contracts import Settings
from zrokd.host.daemon import Daemon
from zrokd.host.registry import Registry

SECRET = "canary-operators-secret"


@pytest.fixture
def daemon(tmp_path):
    """A controller with one frontend."""
    tree = {
        "version": 1,
        "state_dir": str(tmp_path / "state"),
        "auth": [{"use": "token"}, {"use": "secret", "secrets": [SECRET]}],
        "roles": {"controller": {"listen": "127.0.0.1:0", "frontends": {"edge": {"token": "edges-own-token"}}}},
    }
    registry = Registry()
    daemon = Daemon(from_tree(tree, registry=registry, environ={}), registry)
    daemon.start()
    yield daemon
    daemon.stop(0.1)


@pytest.fixture
def invoke(typed):
    """invoke(words, ...): (exit code, standard output, standard error)."""

    def run(words, env=None, given=None):
        code, out, err, output = typed("admin", *words.split(), env=env, given=given)
        assert SECRET not in output
        return code, out, err

    return run


@pytest.fixture
def admin(daemon, invoke):
    """admin(words): what `zrokd admin WORDS` prints, for an administrator of the running controller."""
    url = f"http://{daemon.components.roles['controller'].address}"

    def run(words, *, code=0, env=None, **how):
        env = {"ZROKD_ADMIN_TOKEN": SECRET, "ZROKD_CONTROLLER": url, **(env or {})}
        exit_code, out, err = invoke(words, env, **how)
        assert exit_code == code, (words, out, err)
        return (out if code == 0 else err).strip()

    return run


def test_an_account_is_made_and_its_token_printed_alone(admin):
    token = admin("create account ann@example.com")
    assert token.isalnum()
    assert admin("list accounts") == "ann@example.com"
    assert "zrokd: " in admin("create account ann@example.com", code=1)


def test_an_accounts_password_comes_from_a_file_or_from_standard_input(admin, tmp_path, daemon):
    file = tmp_path / "password"
    file.write_text("A passw0rd, of mine!\n")
    admin(f"create account ann@example.com --password-file {file}")
    admin("create account bob@example.com --password-file -", given="Another 1, of mine!\n")
    assert admin("list accounts").split() == ["ann@example.com", "bob@example.com"]


def test_a_new_token_replaces_the_old_one(admin):
    first = admin("create account ann@example.com")
    second = admin("regenerate token ann@example.com")
    assert second != first
    assert "no such account" in admin("regenerate token nobody@example.com", code=1)


def test_an_account_is_deleted(admin):
    admin("create account ann@example.com")
    assert admin("delete account ann@example.com") == "account ann@example.com is deleted"
    assert admin("list accounts") == ""
    assert "no such account" in admin("delete account ann@example.com", code=1)


def test_namespaces_are_made_listed_granted_and_deleted(admin):
    admin("create account ann@example.com")
    assert admin("create namespace vip.example.com --token vip --description few") == "vip"
    assert len(admin("create namespace all.example.com --open")) == 12
    lines = admin("list namespaces").splitlines()
    assert "vip  vip.example.com  granted  few" in lines
    assert any(line.endswith("all.example.com  open") for line in lines)
    assert admin("grant vip ann@example.com") == "ann@example.com may use vip"
    assert admin("revoke vip ann@example.com") == "ann@example.com may not use vip any more"
    assert admin("delete namespace vip") == "namespace vip is deleted"
    assert "no namespace" in admin("delete namespace vip", code=1)
    assert "not a DNS zone" in admin("create namespace Not_A_Zone", code=1)


# -- the audit trail ---


def test_the_trail_says_who_did_what_when_and_from_where(admin):
    admin("create account ann@example.com")
    admin("create account bob@example.com")
    admin("delete account nobody@example.com", code=1)
    lines = admin("audit").splitlines()
    assert re.fullmatch(
        r"\d+  20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ  admin \(secret\) from 127\.0\.0\.1: account.created of bob@.*",
        lines[-2],
    )
    assert lines[-1].endswith("DELETE /account refused  reason=no such account")
    assert lines[0].endswith("configuration: frontend.created edge")
    (line,) = admin("audit --account ann@example.com --since 1h --json").splitlines()
    record = json.loads(line)
    assert (record["event"], record["account"], record["outcome"]) == ("account.created", "ann@example.com", "done")
    assert admin("audit --since 2999-01-01") == ""
    assert "is neither a time" in admin("audit --since yesterday", code=2)


def database_of(daemon):
    return sqlite3.connect(daemon.components.storage.path)


def test_a_trail_is_verified_and_what_was_seen_must_still_be_there(admin, daemon, monkeypatch):
    monkeypatch.setattr(trail, "_MOST", 2)  # more than one page
    for name in ("ann", "bob", "eve"):
        admin(f"create account {name}@example.com")
    match = re.fullmatch(r"(\d+) records hold; the last one is (\1:[0-9a-f]{64})", admin("audit --verify"))
    assert match
    assert json.loads(admin("audit --verify --json")) == {"verified": int(match[1]), "pruned": 0, "head": match[2]}
    admin("create account joe@example.com")
    admin(f"audit --verify --expect {match[2]}")
    forged = match[2][:-1] + ("0" if match[2][-1] != "0" else "1")
    assert f"record {match[1]} is another than the one seen earlier" in admin(
        f"audit --verify --expect {forged}", code=1
    )
    with contextlib.closing(database_of(daemon)) as database:
        database.execute("update audit_record set at_ms = 'garbled', facts = '{' where id = 2")
        database.commit()
    assert "the audit trail does not hold: record 2 is not what was written" in admin("audit --verify", code=1)
    assert admin("audit").splitlines()[1].startswith("2  garbled  ")


@pytest.mark.parametrize(
    "words", ["audit --expect 1:00", f"audit --expect 1:{'0' * 64}", "audit --verify --since 1h", "audit --since -1d"]
)
def test_options_of_the_trail_that_make_no_sense_are_refused(admin, words):
    admin(words, code=2)


def test_frontends_are_listed(admin):
    assert admin("list frontends") == "edge"


def test_reconciling_says_what_it_does(admin, daemon):
    admin("reconcile")  # the one of the start has seen the overlay by now
    overlay = daemon.components.roles["controller"]._admin
    overlay.create_share("orphan", "z1", public=True, config={})
    assert admin("reconcile --dry-run") == "delete share orphan"
    assert admin("reconcile") == "delete share orphan"
    assert admin("reconcile") == ""


@pytest.mark.parametrize("words", ["--json {} list accounts", "list {} accounts --json", "list accounts --json {}"])
def test_options_stand_before_or_behind_the_sub_command(daemon, invoke, tmp_path, words):
    (tmp_path / "secret").write_text(SECRET)
    url = f"http://{daemon.components.roles['controller'].address}"
    words = words.replace("list {} accounts", "{} list accounts")
    options = f"--controller {url} --secret-file {tmp_path}/secret"
    code, out, _ = invoke(f"{words.format(options)}", {"ZROKD_CONTROLLER": "http://127.0.0.1:1"})
    assert (code, out) == (0, "")


def test_what_is_missing_is_named_and_an_empty_list_says_so(admin):
    assert admin("delete account nobody@example.com", code=1) == "zrokd: no such account: nobody@example.com"
    assert admin("regenerate token nobody@example.com", code=1) == "zrokd: no such account: nobody@example.com"
    assert admin("list accounts") == ""


def test_a_person_is_told_that_a_list_is_empty_and_a_program_is_not(daemon, invoke):
    env = {
        "ZROKD_ADMIN_TOKEN": SECRET,
        "ZROKD_CONTROLLER": f"http://{daemon.components.roles['controller'].address}",
    }
    for kind in ("accounts", "namespaces"):
        code, out, err = invoke(f"list {kind}", env)
        assert (code, out) == (0, "")
        assert err.startswith(f"no {kind}; make one: zrokd admin create ")
        assert invoke(f"list {kind} --json", env) == (0, "", "")


def test_json_is_one_object_a_line(admin):
    made = json.loads(admin("--json create account ann@example.com"))
    assert set(made) == {"email", "token"}
    assert json.loads(admin("--json list accounts")) == {"email": "ann@example.com"}
    assert json.loads(admin("--json list frontends")) == {"frontend": "edge"}
    assert json.loads(admin("--json create namespace a.example.com --token a")) == {
        "namespace": "a", "zone": "a.example.com"
    }  # fmt: skip
    assert json.loads(admin("--json list namespaces")) == {
        "namespace": "a", "zone": "a.example.com", "open": False, "description": ""
    }  # fmt: skip
    assert json.loads(admin("--json delete namespace a")) == {"namespace": "a", "deleted": True}


def test_the_secret_may_come_from_a_file_or_from_standard_input(admin, tmp_path):
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    nothing = {"ZROKD_ADMIN_TOKEN": ""}
    assert admin(f"--secret-file {file} list frontends", env=nothing) == "edge"
    assert admin("--secret-file - list frontends", env=nothing, given=f"{SECRET}\n") == "edge"


@pytest.mark.parametrize(
    ("env", "words", "code", "sentence"),
    [
        ({"ZROKD_ADMIN_TOKEN": ""}, "list frontends", 2, "give --secret-file FILE, or set ZROKD_ADMIN_TOKEN"),
        ({}, "--secret-file /nowhere list frontends", 2, "/nowhere cannot be read"),
        ({}, "--secret-file /dev/null list frontends", 2, "/dev/null is empty"),
        ({"ZROKD_ADMIN_TOKEN": "wrong"}, "list frontends", 1, "does not accept this token"),
        ({"ZROKD_CONTROLLER": "nonsense"}, "list frontends", 2, "is not the URL of a controller"),
        ({}, "create account", 2, "Missing argument 'EMAIL'"),
        ({}, "create castle x", 2, "No such command"),
        ({}, "--token x list frontends", 2, "No such option"),
    ],
)
def test_mistakes_are_told_with_their_exit_code(admin, env, words, code, sentence):
    assert sentence in admin(words, code=code, env=env)


def test_a_controller_that_is_away_is_told_in_one_sentence(invoke):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code, _, err = invoke(f"--controller http://127.0.0.1:{port} list frontends", {"ZROKD_ADMIN_TOKEN": SECRET})
    assert code == 1
    assert f"http://127.0.0.1:{port} does not answer" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(("option", "expected"), [("", True), (f"--ca {__file__} ", __file__)])
def test_certificates_are_checked_always(invoke, monkeypatch, option, expected):
    asked = []

    class Recorded:
        def __init__(self, url, token, *, timeout_s, verify):
            asked.append(verify)

        def call(self, method, path, document=None):
            return []

        def close(self):
            asked.append("closed")

    monkeypatch.setattr("zrokd.client.transport.Transport", Recorded)
    assert invoke(f"{option}list frontends", {"ZROKD_ADMIN_TOKEN": SECRET})[0] == 0
    assert asked == [expected, "closed"]


def test_help_needs_no_secret_and_neither_gevent_nor_requests(invoke):
    assert "Make an account" in invoke("create account --help")[1]
    code = (
        "import sys\n"
        "from zrokd_plugins.command_admin import AdminCommand\n"
        "from zrokd.contracts import Settings\n"
        "AdminCommand(Settings(), None).configure()\n"
        "assert not {'gevent', 'requests', 'falcon', 'peewee'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_commands()] == ["admin"]


# -- from zrok ---


@pytest.fixture
def configuration(tmp_path):
    file = tmp_path / "controller.yml"
    file.write_text(f"version: 1\nstate_dir: {tmp_path}/state\nroles: {{controller: {{listen: 127.0.0.1:0}}}}\n")
    return file


def test_a_zrok_database_is_taken_over(invoke, configuration, tmp_path):
    source = zrok_v2.ZrokV2().to_sqlite(tmp_path / "zrok.db")
    words = f"import-zrok {source} --config {configuration}"
    code, out, err = invoke(f"{words} --dry-run")
    assert (code, err) == (0, "nothing was taken over: this was a dry run\n") and "account: 2 new" in out
    code, out, err = invoke(words)
    assert (code, err) == (0, "") and "name: 1 new, 1 not taken over" in out.splitlines()
    code, out, err = invoke(f"{words} --json")
    assert {"kind": "account", "kept": 2} in [json.loads(line) for line in out.splitlines()]


def test_what_is_in_the_way_of_an_import_is_told(invoke, configuration, tmp_path):
    zrok = zrok_v2.ZrokV2()
    zrok.change("names", 1, name="-x-")
    words = f"import-zrok {zrok.to_dump(tmp_path / 'zrok.sql')} --config {configuration}"
    code, out, err = invoke(words)
    assert code == 1 and out.startswith("in the way: name -x-: '-x-' is not a valid name: 3 to 63 of")
    assert err == "zrokd: nothing was taken over: 1 in the way (or --skip-conflicts)\n"
    assert invoke(f"{words} --skip-conflicts")[0] == 0


def test_what_is_no_zrok_database_is_told(invoke, configuration, tmp_path):
    (tmp_path / "letter").write_text("dear aunt")
    code, _, err = invoke(f"import-zrok {tmp_path / 'letter'} --config {configuration}")
    assert code == 1 and "is no database of zrok v2: it has no table accounts" in err


# -- the overlay ---


@pytest.fixture
def network(tmp_path):
    """A controller of a Ziti network that is none."""
    made = FakeController(Authority(tmp_path / "network"))
    yield made
    made.close()


@pytest.fixture
def file(tmp_path, network):
    """file(instance): a controller's configuration on that network."""
    (tmp_path / "password").write_text(SECRET)
    (tmp_path / "password").chmod(0o600)

    def write(controller="{instance: acme, listen: '127.0.0.1:0'}", overlay=None, role="controller"):
        admin = f"{{username: admin, password: !file {tmp_path}/password}}"
        ziti = f"{{use: ziti, controller: '{network.url}', ca: {network.authority.ca}, admin: {admin}}}"
        path = tmp_path / "zrokd.yml"
        path.write_text(
            f"version: 1\nstate_dir: {tmp_path}/state\noverlay: {overlay or ziti}\nroles: {{{role}: {controller}}}\n"
        )
        return path

    return write


def policies(network):
    return set(network.kind("service-policies"))


def test_bootstrap_tells_makes_and_keeps(invoke, file, network):
    path = file()
    code, out, _ = invoke(f"bootstrap {path} --dry-run")
    assert code == 0
    assert out.splitlines()[-1] == "would make service policy 'zrokd.acme.public'"
    assert not policies(network)
    assert invoke(f"bootstrap {path}")[1].splitlines()[-1] == "made service policy 'zrokd.acme.public'"
    assert policies(network) == {"zrokd.acme.public"}
    lines = [json.loads(line) for line in invoke(f"--json bootstrap {path}")[1].splitlines()]
    assert {line["action"] for line in lines} == {"kept"}
    assert lines[-1]["what"] == "service policy 'zrokd.acme.public'"


def test_unbootstrap_asks_before_and_takes_all_away(invoke, file, network):
    path = file()
    invoke(f"bootstrap {path}")
    assert "would remove service policy" in invoke(f"unbootstrap {path} --dry-run")[1]
    code, _, err = invoke(f"unbootstrap {path}", given="n\n")
    assert code == 1
    assert "shares and identities" in err
    assert policies(network)
    code, out, _ = invoke(f"unbootstrap {path}", given="y\n")
    assert (code, "removed service policy 'zrokd.acme.public'" in out) == (0, True)
    assert not policies(network)
    code, out, err = invoke(f"unbootstrap {path} --yes")
    assert (code, out) == (0, "")
    assert "nothing to do" in err


def test_the_instance_comes_from_the_database_where_the_yaml_has_none(invoke, file, network, tmp_path):
    path = file("{listen: '127.0.0.1:0'}")
    code, _, err = invoke(f"bootstrap {path}")
    assert code == 1
    assert "write roles.controller.instance, or start the controller once" in err
    assert not (tmp_path / "state").exists()
    upgraded = CliRunner().invoke(
        DbCommand(Settings(), None).configure(), ["upgrade", str(path)], obj={"registry": Registry()}
    )
    assert upgraded.exit_code == 0
    first, second = (invoke(f"bootstrap {path}")[1].splitlines()[-1] for _ in range(2))
    assert first.partition(" ")[0] == "made"
    assert second.partition(" ")[0] == "kept"
    assert len(policies(network)) == 1


@pytest.mark.parametrize(
    ("how", "exits", "sentence"),
    [
        ({"overlay": "{use: ziti}"}, 1, "needs overlay.admin"),
        ({"overlay": "{use: ziti, managed: {}}"}, 1, "made ready by its daemon"),
        (
            {"role": "backend", "controller": "{controller: 'http://127.0.0.1:1', token: long-enough, shares: []}"},
            1,
            "only a controller has things on the overlay",
        ),
        ({"controller": "{instance: 'A B'}"}, 2, "roles.controller.instance"),
    ],
)
def test_what_cannot_be_bootstrapped_is_told(invoke, file, how, exits, sentence):
    code, out, err = invoke(f"bootstrap {file(**how)}")
    assert (code, out) == (exits, "")
    assert sentence in err
    assert "Traceback" not in err


def test_an_overlay_that_needs_nothing_says_so(invoke, file):
    code, out, err = invoke(f"bootstrap {file(overlay='{use: local}')}")
    assert (code, out) == (0, "")
    assert "nothing to do on this overlay" in err


def test_a_network_that_is_away_is_told(invoke, file, network):
    path = file()
    network.close()
    code, _, err = invoke(f"bootstrap {path}")
    assert code == 1
    assert "cannot be reached" in err


# -- limit classes ---


def test_visitors_of_a_trusted_account_are_not_warned(admin):
    admin("create account ann@example.com")
    grant = "skip-interstitial-grant ann@example.com"
    assert admin(f"list {grant}") == "visitors of ann@example.com are warned"
    assert admin(f"create {grant}") == "visitors of ann@example.com are not warned"
    assert json.loads(admin(f"--json list {grant}")) == {"email": "ann@example.com", "granted": True}
    assert admin(f"delete {grant}") == "visitors of ann@example.com are warned"
    assert "no such account" in admin("create skip-interstitial-grant bob@example.com", code=1)


def test_limit_classes_are_made_applied_listed_and_deleted(admin):
    small = admin("create limit-class small --shares 3 --names 1")
    quota = admin("create limit-class quota --total 50GiB --rx 10GiB --period-minutes 60 --action warning")
    admin("create limit-class free --mode drive")
    assert admin("list limit-classes").splitlines() == [
        f"{small}  small  shares 3  names 1",
        f"{quota}  quota  rx 10 GiB  total 50 GiB  in 60 minutes: warning",
        "3  free  for drive",
    ]
    assert json.loads(admin("--json list limit-classes small"))["shares"] == 3
    admin("create account ann@example.com")
    applied = f"ann@example.com {small} {quota}"
    assert (
        admin(f"create applied-limit-classes {applied}")
        == f"account ann@example.com is in limit classes {small}, {quota}"
    )
    assert len(admin("list applied-limit-classes ann@example.com").splitlines()) == 2
    admin(f"delete applied-limit-classes ann@example.com {small}")
    assert admin("list applied-limit-classes ann@example.com").startswith(f"{quota}  quota")
    assert admin(f"delete limit-class {quota}") == f"limit class {quota} is deleted"
    assert admin("list applied-limit-classes ann@example.com") == ""
    assert "no such limit class" in admin("delete limit-class 99", code=1)
    assert "no such account" in admin("create applied-limit-classes bob@example.com 1", code=1)
    assert "is not a size" in admin("create limit-class x --total much", code=2)
