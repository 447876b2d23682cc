"""Plugins that do everything wrong, in a running daemon: they deny or are logged, and nobody else notices."""

import gevent
import pytest
import requests

from zrokd.errors import PluginError
from zrokd.testing.scenario import ACCOUNT_TOKEN, Scenario

PLUGIN = """
import time
from typing import Any, Literal

import gevent
from zrokd import hookimpl
from zrokd.contracts import Authenticator, Filter, Gate, Mode, Observer, Settings
from zrokd.model.http import Allow, Respond

class BadSettings(Settings):
    how: str = "well"
    where: str = ""

class Bad:
    Settings = BadSettings

    def do(self, where, well):
        if self.settings.where not in ("", where):
            return well
        how = self.settings.how
        if how == "well": return well
        if how == "raises": raise ValueError("a secret thing")
        if how == "exits": raise SystemExit(7)
        if how == "times out": raise gevent.Timeout(3)
        if how == "cancels":
            import asyncio
            raise asyncio.CancelledError
        if how == "garbage": return {"senseless": object()}
        if how == "nothing": return None
        if how == "hangs": gevent.sleep(1000)
        raise AssertionError(how)

class BadGate(Bad, Gate):
    name = "bad"
    def check(self, head, route):
        return self.do("check", Allow())

class ForgingGate(Gate):
    name = "forging"
    Settings = BadSettings
    def check(self, head, route):
        if self.settings.how == "fields":
            return Allow(fields=((b"X-Who", b"me\\r\\nX-Admin: yes"),))
        if self.settings.how == "answer":
            return Respond(status=302, fields=((b"Location", b"/\\r\\nSet-Cookie: a=b"),), body=b"")
        return Respond(status="many", fields=7, body=None)

class BadFilter(Bad, Filter):
    name = "bad"
    def on_request(self, head, route, peer):
        return self.do("request", head)
    def on_response(self, head, route):
        return self.do("response", head)

class BadAuthenticator(Bad, Authenticator):
    name = "bad"
    def authenticate(self, credentials, directory):
        return self.do("authenticate", None)

class BadMode(Bad, Mode):
    name = "bad"
    http = True
    def __init__(self, settings, ctx):
        super().__init__(settings, ctx)
        self.do("init", None)
    def open(self):
        self.do("open", None)
    def probe(self):
        return self.do("probe", "")
    def serve(self, stream, caller):
        self.do("serve", None)
    def drain(self, deadline_s):
        self.do("drain", None)
    def close(self):
        self.do("close", None)

class BadObserver(Bad, Observer):
    name = "bad"
    def __init__(self, settings, ctx):
        super().__init__(settings, ctx)
        self.do("init", None)
    def open(self):
        self.do("open", None)
        if self.settings.where == "greenlet":
            self.ctx.spawn(self.do, "greenlet", None, name="a bad greenlet")
    def close(self):
        self.do("close", None)
    def health(self):
        return self.do("health", super().health())
    @hookimpl
    def zrokd_on_ready(self):
        self.do("ready", None)
    @hookimpl
    def zrokd_on_draining(self):
        self.do("draining", None)
    @hookimpl
    def zrokd_review_environment(self, draft):
        return self.do("review_environment", None)
    @hookimpl
    def zrokd_review_share(self, draft):
        return self.do("review_share", None)
    @hookimpl
    def zrokd_review_access(self, share):
        return self.do("review_access", None)
    @hookimpl
    def zrokd_on_environment_created(self, environment):
        self.do("on", None)
    @hookimpl
    def zrokd_on_share_created(self, share):
        self.do("on", None)
    @hookimpl
    def zrokd_on_share_deleted(self, share):
        self.do("on", None)
    @hookimpl
    def zrokd_on_share_ready(self, token):
        self.do("on", None)
    @hookimpl
    def zrokd_on_share_lost(self, token):
        self.do("on", None)
    @hookimpl
    def zrokd_on_exchange(self, summary):
        self.do("on", None)
    @hookimpl
    def zrokd_on_connection_closed(self, summary):
        self.do("on", None)

@hookimpl
def zrokd_provide_gates(): return [BadGate, ForgingGate]
@hookimpl
def zrokd_provide_filters(): return [BadFilter]
@hookimpl
def zrokd_provide_auths(): return [BadAuthenticator]
@hookimpl
def zrokd_provide_modes(): return [BadMode]
@hookimpl
def zrokd_provide_observers(): return [BadObserver]
"""
RAISED = ["raises", "exits", "times out", "cancels"]
HELLO = {"mode": "hello"}
_CONTROLLER_ONLY = {"frontend": None, "backend": None}


pytestmark = pytest.mark.slow


@pytest.fixture
def changes(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "bad.py").write_text(PLUGIN)
    return {"plugin_path": [str(folder)]}


@pytest.fixture
def zrokd(tmp_path, changes):
    """A function that starts one with more changes."""
    begun = []

    def start(*shares, **further):
        roles = {"backend": {"verify": False}, **further.pop("roles", {})}
        begun.append(Scenario(tmp_path, shares=shares, changes={**changes, "roles": roles, **further}))
        begun[-1].start()
        return begun[-1]

    yield start
    for one in begun:
        one.stop()


@pytest.fixture(autouse=True)
def short_limits(monkeypatch):
    monkeypatch.setattr("zrokd.host.plugins._LIMIT_S", 0.2)
    monkeypatch.setattr("zrokd.proxy.rules._GATE_LIMIT_S", 0.2)
    monkeypatch.setattr("zrokd.host.health._LIMIT_S", 0.2)
    monkeypatch.setattr("zrokd.host.components._CLOSE_S", 2.0)
    monkeypatch.setattr("zrokd_plugins.role_controller.identify._LIMIT_S", 0.2)


def got(one, host, *more):
    """The answer of a share that nobody verified, as soon as the frontend knows its name."""
    while (answer := one.get(host, *more)).status == 404:
        gevent.sleep(0.01)
    return answer


def gated(how, use="bad"):
    return {"roles": {"frontend": {"gates": {"door": {"use": use, "how": how}}}}}


@pytest.mark.parametrize("how", [*RAISED, "garbage", "nothing", "hangs"])
def test_a_gate_denies_and_the_neighbour_is_served(zrokd, how, caplog):
    one = zrokd({**HELLO, "gate": "door"}, HELLO, **gated(how))
    answers = [got(one, host) for host in one.hosts()]
    assert sorted(answer.status for answer in answers) == [200, 500]
    assert not any(b"secret" in answer.body for answer in answers)
    assert "the visitor is denied" in caplog.text


@pytest.mark.parametrize("how", ["fields", "answer", "types"])
def test_a_gate_forges_no_fields(zrokd, how):
    one = zrokd({**HELLO, "gate": "door"}, **gated(how, "forging"))
    answer = got(one, one.hosts()[0])
    assert answer.status == 500
    assert "set-cookie" not in answer.fields


@pytest.mark.parametrize("where", ["request", "response"])
@pytest.mark.parametrize("how", [*RAISED, "garbage", "nothing"])
def test_a_filter_answers_500(zrokd, how, where, caplog):
    one = zrokd(HELLO, roles={"frontend": {"filters": [{"use": "bad", "how": how, "where": where}]}})
    answer = got(one, one.hosts()[0])
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert "fail" in caplog.text


@pytest.mark.parametrize("how", [*RAISED, "garbage", "hangs"])
def test_an_authenticator_lets_nobody_in(tmp_path, changes, how):
    changes |= {"auth": [{"use": "bad", "how": how}, {"use": "token"}], "roles": _CONTROLLER_ONLY}
    with Scenario(tmp_path, changes=changes) as one:
        url = f"{one.controller_url}/api/v2"
        answer = requests.get(f"{url}/overview", headers={"x-token": ACCOUNT_TOKEN}, timeout=10)
        assert answer.status_code in (401, 503)
        assert requests.get(f"{url}/version", timeout=10).status_code == 200


@pytest.mark.parametrize("how", [*RAISED, "garbage", "hangs"])
@pytest.mark.parametrize("where", ["review_environment", "review_share"])
def test_a_review_refuses(tmp_path, changes, how, where):
    changes |= {"observers": [{"use": "bad", "how": how, "where": where}], "roles": _CONTROLLER_ONLY}
    with Scenario(tmp_path, changes=changes) as one:
        ask = requests.Session()
        ask.headers.update({"x-token": ACCOUNT_TOKEN, "content-type": "application/zrok.v1+json"})
        url = f"{one.controller_url}/api/v2"
        enabled = ask.post(f"{url}/enable", json={"description": "d", "host": "h"}, timeout=10)
        if where == "review_environment":
            refused = enabled
        else:
            draft = {"envZId": enabled.json()["identity"], "shareMode": "private", "backendMode": "proxy"}
            refused = ask.post(f"{url}/share", json=draft, timeout=10)
        assert 400 <= refused.status_code < 500
        assert "secret" not in refused.text
        listed = ask.get(f"{url}/overview", timeout=10).json()["environments"]
        assert sum(len(each.get("shares", [])) for each in listed) == 0
        ask.close()


@pytest.mark.parametrize("how", [*RAISED, "garbage", "hangs"])
@pytest.mark.parametrize("where", ["ready", "on", "draining", "close"])
def test_an_observer_is_logged_and_the_rest_goes_on(zrokd, how, where, caplog):
    if how == "hangs" and where == "on":
        pytest.skip("what must not switch greenlets has no limit")
    one = zrokd(HELLO, observers=[{"use": "bad", "how": how, "where": where}, {"use": "access_log"}])
    assert got(one, one.hosts()[0]).status == 200
    one.stop()
    assert one.daemon is not None
    if how != "garbage":
        assert "observer.bad" in caplog.text


@pytest.mark.parametrize("how", [*RAISED, "garbage", "nothing", "hangs"])
def test_health_that_cannot_be_told_is_bad_health(zrokd, how):
    one = zrokd(HELLO, health={"listen": "127.0.0.1:0"}, observers=[{"use": "bad", "how": how, "where": "health"}])
    assert got(one, one.hosts()[0]).status == 200
    answer = requests.get(f"http://{one.daemon._health.address}/readyz", timeout=10)
    assert answer.status_code == 503
    assert "secret" not in answer.text
    assert requests.get(f"http://{one.daemon._health.address}/healthz", timeout=10).status_code == 200


@pytest.mark.parametrize("how", RAISED)
def test_a_greenlet_of_a_plugin_that_dies_is_logged(zrokd, how, caplog):
    one = zrokd(HELLO, observers=[{"use": "bad", "how": how, "where": "greenlet"}])
    assert got(one, one.hosts()[0]).status == 200
    assert "a bad greenlet failed" in caplog.text


@pytest.mark.parametrize("how", RAISED)
@pytest.mark.parametrize("where", ["init", "open"])
def test_a_plugin_that_cannot_begin_stops_the_boot_in_one_sentence(tmp_path, changes, how, where):
    changes |= {"observers": [{"use": "bad", "how": how, "where": where}]}
    with pytest.raises(PluginError, match=r"observer.bad of .*bad.py could not be (made|opened): \w+"):
        Scenario(tmp_path, changes=changes).start()


@pytest.mark.parametrize("how", RAISED)
@pytest.mark.parametrize("where", ["init", "open"])
def test_a_reload_with_a_bad_plugin_keeps_what_was(zrokd, how, where, caplog):
    one = zrokd(HELLO)
    assert not one.reload({"observers": [{"use": "bad", "how": how, "where": where}]})
    assert "the old state stays" in caplog.text
    assert got(one, one.hosts()[0]).status == 200
    assert one.reload({"observers": []})


@pytest.mark.parametrize("how", [*RAISED, "garbage", "hangs"])
@pytest.mark.parametrize("where", ["serve", "probe", "drain", "close"])
def test_a_mode_hurts_its_own_share_only(zrokd, how, where):
    bad = {"mode": "bad", "how": how, "where": where}
    one = zrokd(HELLO, bad, roles={"frontend": {"limits": {"first_byte": 1}}})
    statuses = sorted(got(one, host).status for host in one.hosts())
    assert statuses[0] == 200
    one.stop()


def test_whatever_fails_while_the_file_is_read_again_the_daemon_lives(zrokd, monkeypatch, caplog):
    one = zrokd(HELLO)
    monkeypatch.setattr(one.daemon, "_load", lambda: {}["nobody foresaw this"])
    assert not one.daemon.reload()
    assert "in a way nobody foresaw, the old state stays" in caplog.text
    assert got(one, one.hosts()[0]).status == 200
