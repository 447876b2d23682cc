import pytest
from zrokd_plugins.observer_changes import ChangesObserver, ChangesSettings, zrokd_provide_observers

from zrokd.model.environment import Environment
from zrokd.testing.contracts.samples import HOOKS

CASES = {
    "zrokd_on_environment_created": "ann@example.com enabled environment env1 on host 'host'",
    "zrokd_on_environment_deleted": "ann@example.com ended environment env1",
    "zrokd_on_share_created": (
        "ann@example.com made share sharetoken12 (proxy) in environment env1 for blog.share.example.com"
    ),
    "zrokd_on_share_deleted": "ann@example.com ended share sharetoken12",
    "zrokd_on_access_created": ("ann@example.com made access accesstoken1 onto share sharetoken12 in environment env2"),
    "zrokd_on_access_deleted": "ann@example.com ended access accesstoken1 onto share sharetoken12",
}


@pytest.fixture
def changes(small_ctx, caplog):
    caplog.set_level("INFO")
    return ChangesObserver(ChangesSettings(), small_ctx)


@pytest.mark.parametrize(("hook", "line"), CASES.items())
def test_each_change_is_a_line_without_a_target(changes, caplog, hook, line):
    getattr(changes, hook)(**HOOKS[hook])
    assert caplog.messages == [line]


def test_what_a_host_calls_itself_cannot_make_lines(changes, caplog):
    evil = Environment(id=1, account_id=1, z_id="z", host="h\nroot enabled everything")
    changes.zrokd_on_environment_created(evil, HOOKS["zrokd_on_environment_created"]["principal"])
    assert "\n" not in caplog.messages[0]


def test_it_is_provided():
    assert list(zrokd_provide_observers()) == [ChangesObserver]
