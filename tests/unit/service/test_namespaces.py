"""DNS zones of names: the operator's half."""

import pytest

from zrokd.errors import Conflict, Invalid, NotFound
from zrokd.model.naming import Namespace


def test_ensuring_twice_is_as_good_as_once(house):
    for _ in range(2):
        house.public(frontends=["edge", "west"])
    (namespace,) = house.namespaces.list()
    assert (namespace.token, namespace.zone, namespace.open, namespace.url) == (
        "public", "share.example.com", True, "http://{host}",
    )  # fmt: skip


def test_ensuring_again_changes_what_is_different(house, ann):
    house.public()
    house.public(is_open=False, url="https://{host}")
    (namespace,) = house.namespaces.list()
    assert (namespace.open, namespace.url) == (False, "https://{host}")
    assert house.names.namespaces(ann) == ()


def test_running_shares_move_to_a_new_zone(house, ann):
    house.public(frontends=["edge"])
    share = house.share(ann, house.env(ann))
    known = house.frontends.mappings("edge", "", 0)
    house.public(zone="new.example.com", frontends=["edge"])
    changes = house.frontends.mappings("edge", known.epoch, known.version)
    assert {m.host: m.token for m in changes.mappings} == {
        f"{share.token}.share.example.com": "", f"{share.token}.new.example.com": share.token,
    }  # fmt: skip
    assert house.shares.detail(share.token, ann).endpoints == (f"{share.token}.new.example.com",)
    assert house.differences() == []


def test_ensuring_what_stands_already_looks_at_no_share(house, ann, monkeypatch):
    house.public(frontends=["edge"])
    share = house.share(ann, house.env(ann))
    looked_at = []
    monkeypatch.setattr("zrokd.store.mappings.sync", lambda token, _: looked_at.append(token))
    house.public(frontends=["edge"])
    house.public(frontends=["edge"], url="https://{host}")
    assert looked_at == []
    house.public(zone="new.example.com", frontends=["edge"])
    assert looked_at == [share.token]


def test_a_frontend_that_serves_more_or_less_starts_anew(house, ann):
    house.public(frontends=["edge"])
    house.share(ann, house.env(ann))
    house.frontends.ensure("west", "token-of-west")
    before = house.frontends.mappings("west", "", 0)
    assert before.mappings == ()
    house.public(frontends=["edge", "west"])
    after = house.frontends.mappings("west", before.epoch, before.version)
    assert after.full and len(after.mappings) == 1
    house.public(frontends=["west"])
    assert house.hosts("edge") == {}


def test_every_ensuring_rings(house):
    before = house.bell.version
    house.public()
    assert house.bell.version > before


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"zone": ""}, "is not a DNS zone"),
        ({"zone": "Share.Example.com"}, "is not a DNS zone"),
        ({"zone": "a..b"}, "is not a DNS zone"),
        ({"zone": "x." * 95 + "y"}, "is not a DNS zone"),
        ({"token": "a b"}, "is not a valid namespace"),
        ({"token": "-a"}, "is not a valid namespace"),
        ({"token": "x" * 65}, "is not a valid namespace"),
        ({"url": "http://example.com"}, "needs {host} in it"),
        ({"url": "x" * 256}, "too long"),
        ({"description": "a\nb"}, "cannot be printed"),
    ],
)
def test_a_broken_rule_is_named(house, changes, rule):
    namespace = Namespace(**{"token": "public", "zone": "share.example.com"} | changes)
    with pytest.raises(Invalid, match=rule):
        house.namespaces.ensure(namespace, [])
    assert house.namespaces.list() == ()


def test_an_unknown_frontend_is_named_and_nothing_is_kept(house):
    with pytest.raises(Invalid, match="no frontend is called 'edge'"):
        house.namespaces.ensure(Namespace(token="public", zone="share.example.com"), ["edge"])
    assert house.namespaces.list() == ()


def test_two_namespaces_cannot_have_one_zone(house):
    house.public()
    with pytest.raises(Conflict):
        house.public("other")
    house.public("other", "example.org")
    with pytest.raises(Conflict):
        house.public("other")


def test_one_can_be_made_changed_and_deleted(house):
    made = house.namespaces.create("share.example.com", description="d")
    assert len(made.token) == 12 and not made.open
    house.namespaces.modify(made.token, is_open=True)
    house.namespaces.modify(made.token, zone="example.org", description="new")
    (changed,) = house.namespaces.list()
    assert (changed.token, changed.zone, changed.description, changed.open) == (made.token, "example.org", "new", True)
    house.namespaces.modify(made.token)
    assert house.namespaces.list() == (changed,)
    house.namespaces.delete(made.token)
    assert house.namespaces.list() == ()
    assert house.namespaces.create("example.org", token="chosen").token == "chosen"


@pytest.mark.parametrize("act", ["modify", "delete"])
def test_an_unknown_one_is_not_found(house, act):
    with pytest.raises(NotFound, match="no namespace 'missing'"):
        getattr(house.namespaces, act)("missing")


def test_one_whose_names_are_in_use_cannot_be_deleted(house, ann):
    house.public(frontends=["edge"])
    home = house.env(ann)
    share = house.share(ann, home)
    house.names.create("public", "idle", ann)
    with pytest.raises(Conflict, match="shares use names in the namespace 'public'"):
        house.namespaces.delete("public")
    house.shares.unshare(home, share.token, ann)
    house.namespaces.delete("public")
    assert house.names.list(ann) == () and house.differences() == []


def test_grants_are_idempotent_both_ways(house, ann):
    house.public(is_open=False)
    for _ in range(2):
        house.namespaces.grant("public", " ANN@example.com")
    assert [one.token for one in house.names.namespaces(ann)] == ["public"]
    for _ in range(2):
        house.namespaces.revoke("public", ann.email)
    assert house.names.namespaces(ann) == ()


@pytest.mark.parametrize("act", ["grant", "revoke"])
def test_a_grant_needs_a_namespace_and_an_account(house, ann, act):
    house.public()
    with pytest.raises(NotFound, match="no namespace 'missing'"):
        getattr(house.namespaces, act)("missing", ann.email)
    with pytest.raises(NotFound, match="no account has the address eve@example.com"):
        getattr(house.namespaces, act)("public", "eve@example.com")
