"""The warning before a share, from the grant of an account to the page that a browser shows."""

from __future__ import annotations

import re

import pytest

from tests.flow.conftest import eventually
from zrokd.client.transport import Transport
from zrokd.model.units import Secret
from zrokd.testing.scenario import Scenario

pytestmark = pytest.mark.timeout(60)
BROWSER = {"User-Agent": "Mozilla/5.0", "Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
ADMIN = "scenario-admin-secret"


@pytest.mark.slow
def test_a_browser_is_warned_goes_on_and_is_not_warned_of_a_trusted_account(tmp_path, target):
    changes = {
        "auth": ["token", {"use": "secret", "secrets": [ADMIN]}],
        "roles": {"frontend": {"filters": ["forwarded", "interstitial"]}},
    }
    shares = [{"name": "app", "target": target.url, "basic_auth": ["ann:opens"]}]
    with Scenario(tmp_path, shares=shares, changes=changes) as zrokd:
        page = zrokd.get("app", "/a?b=c", BROWSER)
        assert (page.status, "Go on" in page.body.decode()) == (200, True)
        assert zrokd.get("app", "/", {"User-Agent": "curl/8"}).status == 401, "it stands before the gate"
        action = re.search('action="([^"]*)"', page.body.decode()).group(1)
        origin = {"Origin": f"http://{zrokd.host('app')}:{zrokd.frontend.port}"}
        gone_on = zrokd.ask("POST", "app", action, BROWSER | origin)
        assert (gone_on.status, gone_on.fields["location"]) == (303, "/a?b=c")
        cookie = {"Cookie": gone_on.fields["set-cookie"].partition(";")[0]}
        for method in ("GET", "POST"):
            assert zrokd.ask(method, "app", "/a?b=c", BROWSER | cookie).status == 401
        operator = Transport(zrokd.controller_url, Secret(ADMIN), timeout_s=10, verify=True)
        for method, status in (("POST", 401), ("DELETE", 200)):
            operator.call(method, "/skip-interstitial-grant", {"email": "ann@example.com"})
            eventually(lambda wanted=status: zrokd.get("app", "/", BROWSER).status == wanted)
        operator.close()
