"""An agent over a real OpenZiti network, commanded through the controller's API."""

from __future__ import annotations

import json
import time

import pytest
import requests

from tests.ziti.daemons import ACCOUNT, HOST, ZONE

pytestmark = [pytest.mark.timeout(200), pytest.mark.leaves_behind("the daemons are others after a restart")]
OTHER = f"ordered.{ZONE}"


class Commander:
    """Who has the account's token."""

    def __init__(self, three):
        self.three = three
        listed = self.call("/environments", method="GET")[1]["environments"]
        (self.env,) = [one["envZId"] for one in listed if one["remoteAgent"]]

    def call(self, path, /, *, method="POST", **body):
        """Status and document of a call."""
        url = f"http://{self.three.where.hub}:{self.three.api_port}/api/v2{path}"
        headers = {"X-Token": ACCOUNT, "Content-Type": "application/zrok.v1+json"}
        with requests.request(method, url, data=json.dumps(body), headers=headers, timeout=40) as answer:
            return answer.status_code, answer.json() if answer.content else None

    def order(self, what, /, **body):
        """What the agent answers; it must do it."""
        status, document = self.call(f"/agent/{what}", envZId=self.env, **body)
        assert status == 200, (document, self.three.logs())
        return document

    def answers(self):
        return self.call("/agent/ping", envZId=self.env)[0] == 200

    def active(self, token):
        return [one["status"] for one in self.order("status")["shares"] if one["token"] == token] == ["active"]


@pytest.fixture
def three(daemons):
    made, _ = daemons(further={"backend": "    agent: true\n"})
    made.wait_for(lambda: "agent" not in made.backend.detail(), 30.0)
    return made


def test_shares_are_ordered_over_the_network_come_back_after_a_kill_and_end(three, capsys):
    commander = Commander(three)
    began = time.monotonic()
    assert commander.order("ping")["version"].startswith("zrokd ")
    first = time.monotonic()
    commander.order("ping")
    second = time.monotonic()
    with capsys.disabled():
        print(f"\nfirst ping {1000 * (first - began):.0f} ms, then {1000 * (second - first):.0f} ms", end=" ")
    named = [{"namespaceToken": "public", "name": "ordered"}]
    token = commander.order("share", target=three.target.url, nameSelections=named)["token"]
    three.wait_for_traffic(20.0, OTHER)
    checked = {"shareToken": token, "endpoint": "/x", "expectedHttpResponse": 200}
    assert commander.order("share/http-healthcheck", **checked) == {"healthy": True, "error": ""}
    three.backend.kill()
    status, said = commander.call("/agent/ping", envZId=commander.env)
    assert status == 502, said
    three.backend.start(wait=False)
    three.backend.told("READY=1", 30.0)
    three.wait_for(lambda: commander.answers() and commander.active(token), 30.0)
    three.wait_for_traffic(20.0, OTHER)
    assert commander.order("unshare", token=token) is None
    three.wait_for(lambda: three.status(OTHER) == 404, 20.0)
    assert three.status(HOST) == 200


def test_a_private_share_is_opened_where_the_agent_runs(three):
    commander = Commander(three)
    order = {"shareMode": "private", "backendMode": "tcpTunnel", "target": f"127.0.0.1:{three.target.port}"}
    token = commander.order("share", **order)["token"]
    access = commander.order("access", token=token, bindAddress="127.0.0.1:0")["frontendToken"]
    (told,) = commander.order("status")["accesses"]
    assert (told["frontendToken"], told["status"]) == (access, "active")
    with requests.get(f"http://{told['bindAddress']}/y", timeout=20) as answer:
        assert answer.text == f"target {three.target.port} /y\n"
    commander.order("unaccess", frontendToken=access)
    assert commander.order("status")["accesses"] == []
