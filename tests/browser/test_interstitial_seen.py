"""The warning before a share, as a real browser shows it: cookies, redirects and what a page may do are up to it."""

import pytest

from tests.browser.chromium import NEEDS_BROWSER, Browser
from zrokd.testing.scenario import Scenario

pytestmark = NEEDS_BROWSER


@pytest.fixture
def browser():
    with Browser() as made:
        yield made


def test_a_visitor_is_warned_goes_on_and_is_not_warned_again(tmp_path, target, browser):
    changes = {"roles": {"frontend": {"filters": ["forwarded", "interstitial"]}}}
    shares = [{"name": "app", "target": target.url}, {"name": "other", "target": target.url}]
    with Scenario(tmp_path, shares=shares, changes=changes) as zrokd:
        zrokd.get("app")
        url = f"http://{zrokd.host('app')}:{zrokd.frontend.port}/a?b=c"
        warned = browser.open(url)
        assert "Do you trust who shares this?" in warned and zrokd.host("app") in warned
        assert browser.press("button").strip() == f"target {target.port} /a?b=c"
        assert browser.address == url
        assert browser.open(url).strip() == f"target {target.port} /a?b=c"
        other = browser.open(f"http://{zrokd.host('other')}:{zrokd.frontend.port}/")
        assert "Do you trust" in other, "who trusts one share does not trust all"
