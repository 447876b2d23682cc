import pytest
from zrokd_plugins.observer_policy import PolicyObserver, PolicySettings, zrokd_provide_observers

from zrokd.model.account import Principal
from zrokd.model.environment import EnvironmentDraft
from zrokd.model.share import NameSelection, Share, ShareDraft, ShareMode

SHARE = Share(id=1, token="t", env_z_id="z", account_id=1, share_mode=ShareMode.PRIVATE, mode="tcp")


@pytest.fixture
def policy(small_ctx):
    return lambda **settings: PolicyObserver(PolicySettings(**settings), small_ctx)


def draft(*names, mode="proxy", share_mode=ShareMode.PUBLIC):
    selections = tuple(NameSelection(namespace="public", name=name) for name in names)
    return ShareDraft(env_z_id="z", share_mode=share_mode, mode=mode, selections=selections)


def enabling(policy, email):
    return policy.zrokd_review_environment(EnvironmentDraft(account_id=1), Principal(account_id=1, email=email))


def test_without_rules_everything_goes(policy):
    free = policy()
    assert enabling(free, "ann@anywhere.example") is None
    assert free.zrokd_review_share(draft("admin", mode="drive")) is None
    assert free.zrokd_review_share(draft(share_mode=ShareMode.PRIVATE)) is None
    assert free.zrokd_review_access(SHARE) is None


@pytest.mark.parametrize(
    ("email", "allowed"),
    [
        ("ann@example.com", True),
        ("ann@EXAMPLE.com", True),
        ("ann@dept.example.org", True),
        ("ann@example.org", False),
        ("ann@evilexample.org", False),
        ("ann@dept.example.com", False),
        ("ann@example.com.evil.org", False),
        ("ann@example.com@evil.org", False),
        ("", False),
    ],
)
def test_only_accounts_of_these_domains_enable_hosts(policy, email, allowed):
    refusal = enabling(policy(email_domains=["Example.com", ".example.org"]), email)
    assert (refusal is None) is allowed
    if refusal:
        assert refusal.plugin == "policy"


def test_no_domain_means_nobody(policy):
    assert enabling(policy(email_domains=[]), "ann@example.com")


@pytest.mark.parametrize(("mode", "allowed"), [("proxy", True), ("web", True), ("tcp", False), ("Proxy", False)])
def test_only_these_modes_are_shared(policy, mode, allowed):
    refusal = policy(modes=["proxy", "web"]).zrokd_review_share(draft(mode=mode))
    assert (refusal is None) is allowed


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        (["blog"], ""),
        ([], ""),
        ([""], ""),
        (["www"], "www"),
        (["blog", "admin-panel"], "admin-panel"),
        (["api1"], "api1"),
        (["api12"], ""),
        (["wwww"], ""),
    ],
)
def test_nobody_shares_under_these_names(policy, names, refused):
    refusal = policy(forbidden_names=["WWW", "admin*", "api?"]).zrokd_review_share(draft(*names))
    assert (refusal.reason if refusal else "") == (f"the name {refused} may not be used here" if refused else "")


def test_without_private_there_are_no_private_shares_and_no_accesses(policy):
    public_only = policy(private=False)
    assert (
        public_only.zrokd_review_share(draft(share_mode=ShareMode.PRIVATE)).reason == "there are no private shares here"
    )
    assert public_only.zrokd_review_access(SHARE).reason == "there are no private accesses here"
    assert public_only.zrokd_review_share(draft()) is None


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_observers()] == ["policy"]
