"""An agent, commanded through the controller's API as zrok's clients do it, over the local overlay."""

import json
import stat

import gevent
import pytest
import requests
from zrokd_plugins.role_backend import tally
from zrokd_plugins.role_frontend import usage

from zrokd.client import ledger
from zrokd.errors import StreamError
from zrokd.model.units import parse_address
from zrokd.net.stream import connect
from zrokd.testing.scenario import ACCOUNT_TOKEN, Scenario

from .conftest import eventually, serving

pytestmark = pytest.mark.slow
OTHER = "another-accounts-own-token"
CHANGES = {
    "roles": {
        "controller": {
            "accounts": [
                {"email": "ann@example.com", "token": ACCOUNT_TOKEN},
                {"email": "bob@example.com", "token": OTHER},
            ]
        },
        "backend": {"agent": True},
    }
}


class Site(Scenario):
    """A scenario whose API is called."""

    def call(self, path, /, *, method="POST", who=ACCOUNT_TOKEN, **body):
        """Status and document of a call."""
        sent = json.dumps(body) if method != "GET" else None
        headers = {"X-Token": who, "Content-Type": "application/zrok.v1+json"}
        with requests.Session() as session:
            answer = session.request(method, f"{self.controller_url}/api/v2{path}", data=sent, headers=headers)
        return answer.status_code, answer.json() if answer.content else None

    @property
    def env(self):
        (one,) = self.call("/environments", method="GET")[1]["environments"]
        return one["envZId"]

    def order(self, what, /, **body):
        """What the agent answers through the controller; it must do it."""
        status, document = self.call(f"/agent/{what}", envZId=self.env, **body)
        assert status == 200, document
        return document

    def refused(self, what, /, **body):
        """The words of an order that is not carried out."""
        status, document = self.call(f"/agent/{what}", envZId=self.env, **body)
        assert status == 502, (status, document)
        return document

    def status(self):
        return self.order("status")

    def wait(self):
        eventually(lambda: self.call("/agent/ping", envZId=self.env)[0] == 200, "no agent")

    @property
    def backend(self):
        return self.daemon.components.roles["backend"]


@pytest.fixture
def target():
    with serving() as made:
        yield made


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def site(folder):
    with Site(folder, changes=CHANGES) as made:
        made.wait()
        yield made


def again(site, folder, **changes):
    """Another daemon after this one, with the same state."""
    site.stop()
    return Site(folder, changes=CHANGES | changes)


def test_it_says_who_it_is_and_that_it_holds_nothing(site):
    assert site.order("ping")["version"].startswith("zrokd ")
    assert site.status() == {"shares": [], "accesses": []}
    (one,) = site.call("/environments", method="GET")[1]["environments"]
    assert one["remoteAgent"]


def test_a_public_share_is_ordered_told_checked_and_released(site, target):
    made = site.order(
        "share",
        shareMode="public",
        backendMode="proxy",
        target=target.url,
        nameSelections=[{"namespaceToken": "public", "name": "blog"}],
    )
    assert made["frontendEndpoints"] == ["blog.share.localhost"]
    eventually(lambda: site.get("blog", "/x").body == f"target {target.port} /x\n".encode())
    (told,) = site.status()["shares"]
    assert told == {
        "token": made["token"],
        "shareMode": "public",
        "backendMode": "proxy",
        "frontendEndpoints": ["blog.share.localhost"],
        "backendEndpoint": target.url,
        "open": False,
        "status": "active",
    }
    for endpoint, wanted, healthy in [("/x", 200, True), ("status/503", 503, True), ("/status/503", 200, False)]:
        asked = {"shareToken": made["token"], "httpVerb": "GET", "endpoint": endpoint, "timeoutMs": 5000}
        found = site.order("share/http-healthcheck", expectedHttpResponse=wanted, **asked)
        assert found["healthy"] is healthy, found
    assert found["error"] == "expected 200, got 503"
    assert site.order("unshare", token=made["token"]) is None
    assert site.status()["shares"] == []
    assert site.call("/shares", method="GET")[1]["shares"] == []
    eventually(lambda: site.get("blog").status == 404)


def test_what_an_access_onto_a_public_share_moves_counts_and_what_visitors_move_counts_once(
    folder, target, monkeypatch
):
    for module in (usage, tally, ledger):
        monkeypatch.setattr(module, "EVERY_S", 0.1)
    with Site(folder, changes=CHANGES) as site:
        site.wait()
        named = [{"namespaceToken": "public", "name": "blog"}]
        token = site.order("share", target=target.url, nameSelections=named)["token"]
        eventually(lambda: site.get("blog").status == 200)

        def counted():
            _, told = site.call(f"/metrics/share/{token}?duration=1h", method="GET")
            return sum(sample["tx"] for sample in told["samples"])

        eventually(counted)
        before = counted()
        site.get("blog", "/bytes/100000")
        eventually(lambda: counted() >= before + 100_000)
        site.order("access", token=token, bindAddress="127.0.0.1:0")
        (access,) = site.status()["accesses"]
        assert len(requests.get(f"http://{access['bindAddress']}/bytes/100000", timeout=10).content) == 100_000
        eventually(lambda: counted() >= before + 200_000)
        assert counted() < before + 250_000


def test_a_health_check_says_what_is_wrong(site, target):
    token = site.order("share", target=target.url)["token"]
    target.stop()
    found = site.order("share/http-healthcheck", shareToken=token, expectedHttpResponse=200)
    assert (found["healthy"], found["error"]) == (False, "expected 200, got 502")
    target.start()
    asked = {"shareToken": token, "endpoint": "/slow", "timeoutMs": 50}
    assert site.order("share/http-healthcheck", **asked)["error"] == "no answer within 0.05 s"
    assert "no method" in site.refused("share/http-healthcheck", shareToken=token, httpVerb="GET / HTTP/1.0\r\n")
    assert "no path" in site.refused("share/http-healthcheck", shareToken=token, endpoint="/x\r\nA: b")
    assert "shares no" in site.refused("share/http-healthcheck", shareToken="another")


def test_what_was_ordered_is_there_again_after_a_restart(site, folder, target):
    named = {"nameSelections": [{"namespaceToken": "public", "name": "blog"}]}
    first = site.order("share", target=target.url, basicAuth=["ann:secret"], **named)
    second = site.order("share", target=target.url)  # a random name
    third = site.order("share", shareMode="private", target=target.url, privateShareToken="my-own", open=True)
    opened = site.order("access", token="my-own", bindAddress="127.0.0.1:0")["frontendToken"]
    (orders,) = folder.glob("**/orders.json")
    assert stat.S_IMODE(orders.stat().st_mode) == 0o600  # passwords are in it
    with again(site, folder) as later:
        later.wait()
        eventually(lambda: [one["status"] for one in later.status()["shares"]] == ["active"] * 3)
        told = {one["token"]: one for one in later.status()["shares"]}
        assert set(told) == {first["token"], second["token"], third["token"]}
        assert later.get("blog").status == 401
        assert later.get(second["frontendEndpoints"][0]).status == 200
        eventually(lambda: [one["status"] for one in later.status()["accesses"]] == ["active"])
        (access,) = later.status()["accesses"]
        assert (access["token"], access["frontendToken"] != opened) == ("my-own", True)
        assert len(later.call("/accesses", method="GET")[1]["accesses"]) == 1
        later.order("unshare", token=first["token"])
        with again(later, folder) as last:
            last.wait()
            eventually(lambda: len(last.status()["shares"]) == 2)


def test_who_is_not_told_to_any_more_ends_what_was_ordered(site, folder, target):
    site.order("share", target=target.url)
    backend = {**CHANGES["roles"], "backend": {"agent": False}}
    with again(site, folder, roles=backend) as later:
        eventually(lambda: later.call("/shares", method="GET")[1]["shares"] == [])
        assert later.refused("ping") == "the agent of this environment is away; does `zrokd agent start` run there?"


def test_a_private_share_is_opened_on_this_host_and_closed_again(site, target):
    token = site.order("share", shareMode="private", backendMode="tcpTunnel", target=f"127.0.0.1:{target.port}")[
        "token"
    ]
    access = site.order("access", token=token, autoMode=True, autoStartPort=42000, autoEndPort=42999)["frontendToken"]
    (told,) = site.status()["accesses"]
    assert (told["frontendToken"], told["token"], told["status"]) == (access, token, "active")
    with requests.Session() as session:
        assert session.get(f"http://{told['bindAddress']}/y").text == f"target {target.port} /y\n"
    assert site.order("unaccess", frontendToken=access) is None
    assert site.status()["accesses"] == []
    assert site.call("/accesses", method="GET")[1]["accesses"] == []
    with pytest.raises(StreamError):
        connect(parse_address(told["bindAddress"]), 1.0)


REFUSALS = [
    ("share", {"target": "http://127.0.0.1:1", "backendMode": "drive"}, "no mode plugin is named 'drive'"),
    ("share", {"backendMode": "proxy"}, "target"),
    ("share", {"target": "ftp://x"}, "not a web server"),
    ("share", {"target": "127.0.0.1:1", "backendMode": "tcpTunnel"}, "private"),
    ("share", {"target": "1", "oauthProvider": "google"}, "oauth"),
    ("share", {"target": "1", "basicAuth": ["nobody"]}, "user:password"),
    ("share", {"target": "1", "nameSelections": [{"namespaceToken": "public", "name": "x"}] * 2}, "one name"),
    ("share", {"target": "1", "shareMode": "private", "privateShareToken": "NO"}, "token"),
    ("unshare", {"token": "nothing"}, "shares no 'nothing'"),
    ("unshare", {}, "shares no"),
    ("access", {}, "token is missing"),
    ("access", {"token": "nothing", "bindAddress": "127.0.0.1:0"}, "no such share"),
    ("access", {"token": "x", "bindAddress": "somewhere"}, "not an address"),
    ("access", {"token": "x", "bindAddress": "unix:/tmp/x"}, "a port"),
    ("access", {"token": "x", "autoMode": True, "autoStartPort": 9, "autoEndPort": 8}, "from port 9"),
    ("access", {"token": "x", "responseHeaders": ["a: b"]}, "not added"),
    ("unaccess", {"frontendToken": "nothing"}, "no access 'nothing'"),
]


def test_what_cannot_be_done_is_refused_in_words_and_leaves_nothing(site):
    for what, body, words in REFUSALS:
        said = site.refused(what, **body)
        assert said.startswith("the agent of this environment refuses: "), said
        assert words in said, (what, body, said)
    assert site.status() == {"shares": [], "accesses": []}
    assert site.call("/shares", method="GET")[1]["shares"] == []
    assert site.call("/accesses", method="GET")[1]["accesses"] == []


@pytest.mark.leaves_behind("the log that pytest keeps holds the error, and with it the connection")
def test_what_the_controller_refuses_is_told_and_not_tried_again(site, target):
    nowhere = [{"namespaceToken": "none", "name": "xyz"}]
    assert "no namespace 'none'" in site.refused("share", target=target.url, nameSelections=nowhere)
    assert site.status()["shares"] == []


def test_a_name_that_the_host_shares_already_is_not_shared_twice(site, target):
    named = {"target": target.url, "nameSelections": [{"namespaceToken": "public", "name": "blog"}]}
    site.order("share", **named)
    assert "already" in site.refused("share", **named)
    assert len(site.status()["shares"]) == 1


def test_what_its_own_configuration_shares_is_told_and_not_ended(folder, target):
    with Site(folder, shares=[{"name": "docs", "mode": "hello"}], changes=CHANGES) as site:
        site.wait()
        (told,) = site.status()["shares"]
        assert told["frontendEndpoints"] == ["docs.share.localhost"]
        assert "configuration" in site.refused("unshare", token=told["token"])
        assert site.get("docs").status == 200


def test_nobody_else_commands_it(site):
    for what in ("ping", "status", "share", "unshare", "access", "unaccess", "share/http-healthcheck"):
        status, said = site.call(f"/agent/{what}", who=OTHER, envZId=site.env)
        assert (status, said) == (401, "no such environment")
    assert site.status() == {"shares": [], "accesses": []}


def test_many_orders_of_one_account_do_not_wait_for_each_other(site, target):
    """An order takes calls of the same account at the controller, which are counted."""
    orders = [gevent.spawn(site.call, "/agent/share", envZId=site.env, target=target.url) for _ in range(4)]
    assert [one.get(timeout=20)[0] for one in orders] == [200] * 4
    assert len(site.call("/shares", method="GET")[1]["shares"]) == 4


def test_an_unenrolled_agent_takes_no_orders_until_its_host_wants_it_again(site, folder):
    site.call("/agent/unenroll", envZId=site.env)
    assert "not enrolled" in site.refused("ping")
    eventually(lambda: "was unenrolled" in site.backend.health().detail)
    assert "not enrolled" in site.refused("ping")
    with again(site, folder) as later:
        later.wait()


def test_after_its_environment_was_ended_an_agent_does_the_same_in_the_next_one(site, folder, target):
    """This backend has a token of the account, and enables its host again."""
    named = {"target": target.url, "nameSelections": [{"namespaceToken": "public", "name": "blog"}]}
    site.order("share", **named)
    token = site.order("share", shareMode="private", target=target.url, privateShareToken="mine", open=True)["token"]
    site.order("access", token=token, bindAddress="127.0.0.1:0")
    before = site.env
    assert site.call("/disable", identity=before)[0] == 200

    def back():
        listed = site.call("/environments?remoteAgent=true", method="GET")[1]["environments"]
        if not listed or listed[0]["envZId"] == before:
            return False
        status, told = site.call("/agent/status", envZId=listed[0]["envZId"])
        states = [one["status"] for one in (*told["shares"], *told["accesses"])] if status == 200 else []
        return states == ["active"] * 3

    eventually(back, within_s=25.0)
    eventually(lambda: site.get("blog").status == 200)  # the frontend hears of it a moment later
    with again(site, folder) as later:
        later.wait()
        eventually(lambda: len(later.status()["shares"]) == 2 and len(later.status()["accesses"]) == 1)


def test_without_leave_a_backend_has_no_agent(folder):
    with Site(folder, changes={"roles": {"backend": {"agent": False}}}) as site:
        assert "not enrolled" in site.refused("ping")
