"""A password before a share, as a real browser asks for it and remembers it."""

import pytest

from tests.browser.chromium import NEEDS_BROWSER, Browser
from zrokd.testing.scenario import Scenario

pytestmark = NEEDS_BROWSER
SHUT = "Sign in to see this."
RIGHT, WRONG = ("ann", "correct horse"), ("ann", "battery staple")


@pytest.fixture
def browser():
    with Browser() as made:
        made.heed_challenges()
        yield made


@pytest.fixture
def urls(tmp_path, target):
    """Of a share, of another with the same password, and of one that is open."""
    shares = [
        {"name": name, "target": target.url, "basic_auth": [":".join(RIGHT)] * (name != "open")}
        for name in ("app", "other", "open")
    ]
    with Scenario(tmp_path, shares=shares) as zrokd:
        zrokd.get("app")
        yield [f"http://{zrokd.host(name)}:{zrokd.frontend.port}/" for name in ("app", "other", "open")]


def test_a_visitor_types_until_it_is_right_and_is_not_asked_again(urls, target, browser):
    app = urls[0]
    browser.answers = [WRONG, WRONG, RIGHT]
    assert browser.open(f"{app}a").strip() == f"target {target.port} /a"
    assert browser.challenges == 3
    assert len(target.heads) == 1, "the target sees nobody without the password"
    assert "authorization" not in target.heads[0], "nor the password itself"
    for path in ("b", "c?d=e"):
        assert browser.open(f"{app}{path}").strip() == f"target {target.port} /{path}"
    assert browser.challenges == 3


def test_who_types_nothing_sees_why(urls, target, browser):
    assert browser.open(urls[0]).strip() == SHUT
    assert browser.challenges == 1
    assert target.heads == []


def test_the_password_of_one_share_opens_no_other(urls, target, browser):
    app, other, open_to_all = urls
    browser.answers = [RIGHT]
    browser.open(app)
    assert browser.open(other).strip() == SHUT, "the browser has to be told it again for another host"
    assert browser.challenges == 2
    assert browser.open(open_to_all).strip() == f"target {target.port} /"
    assert browser.challenges == 2


def test_who_closes_the_browser_is_signed_out(urls, target, browser):
    browser.answers = [RIGHT]
    browser.open(urls[0])
    with Browser() as again:
        again.heed_challenges()
        assert again.open(urls[0]).strip() == SHUT
        assert again.challenges == 1
