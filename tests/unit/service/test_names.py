"""Reserved names."""

import pytest

from zrokd.errors import Conflict, Invalid, LimitReached, NotFound
from zrokd.model.limits import Limits


@pytest.fixture(autouse=True)
def public(house):
    house.public(frontends=["edge"])


def test_a_reserved_name_is_mine_and_idle(house, ann):
    name = house.names.create("public", "blog", ann)
    assert (name.namespace, name.zone, name.name, name.host) == (
        "public", "share.example.com", "blog", "blog.share.example.com",
    )  # fmt: skip
    assert name.reserved and name.share_token == "" and name.created_at_ms > 0
    assert house.names.list(ann) == (name,)


def test_of_fifty_who_want_one_name_one_gets_it(house, at_once):
    principals = [house.principal(f"p{number}@example.com") for number in range(50)]
    answers = at_once(lambda principal: house.names.create("public", "blog", principal), principals)
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(errors) == 49
    assert {(type(error), str(error)) for error in errors} == {(Conflict, "the name 'blog' is taken")}


@pytest.mark.parametrize(
    "name", ["", "ab", "Blog", "-ab", "ab-", "a.b", "a b", "x" * 64, "bücher", "a\0b", "..", "a/b"]
)
def test_a_name_follows_the_rule(house, ann, name):
    with pytest.raises(Invalid, match="is not a valid name"):
        house.names.create("public", name, ann)


@pytest.mark.parametrize("namespace", ["closed", "missing", ""])
def test_a_closed_namespace_answers_like_a_missing_one(house, ann, namespace):
    house.public("closed", "closed.example.com", is_open=False)
    for act in (lambda: house.names.create(namespace, "blog", ann), lambda: house.names.list(ann, namespace)):
        with pytest.raises(NotFound) as caught:
            act()
        assert str(caught.value) == f"no namespace {namespace!r} that you may use"


def test_the_limit_counts_reserved_names(house, ann):
    house.limits(Limits(names=2))
    home = house.env(ann)
    house.share(ann, home)
    house.names.create("public", "one", ann)
    house.names.create("public", "two", ann)
    with pytest.raises(LimitReached, match="no more than 2 names"):
        house.names.create("public", "three", ann)
    house.names.delete("public", "one", ann)
    house.names.create("public", "three", ann)


def test_keeping_a_generated_name_counts(house, ann):
    house.limits(Limits(names=1))
    share = house.share(ann, house.env(ann))
    house.names.create("public", "one", ann)
    with pytest.raises(LimitReached):
        house.names.modify("public", share.token, ann, reserved=True)
    house.names.delete("public", "one", ann)
    house.names.modify("public", share.token, ann, reserved=True)
    house.names.modify("public", share.token, ann, reserved=True)
    house.shares.unshare(share.env_z_id, share.token, ann)
    assert [name.name for name in house.names.list(ann)] == [share.token]


def test_a_name_no_longer_reserved_ends_with_its_share(house, ann):
    house.names.create("public", "blog", ann)
    home = house.env(ann)
    share = house.share(ann, home, "blog")
    house.names.modify("public", "blog", ann, reserved=False)
    assert [name.reserved for name in house.names.list(ann)] == [False]
    house.shares.unshare(home, share.token, ann)
    assert house.names.list(ann) == () and house.differences() == []


def test_an_idle_name_no_longer_reserved_ends_at_once(house, ann):
    house.names.create("public", "blog", ann)
    house.names.modify("public", "blog", ann, reserved=False)
    assert house.names.list(ann) == () and house.differences() == []


def test_a_name_in_use_cannot_be_deleted(house, ann):
    house.names.create("public", "blog", ann)
    home = house.env(ann)
    share = house.share(ann, home, "blog")
    with pytest.raises(Conflict, match="'blog' is in use by a share"):
        house.names.delete("public", "blog", ann)
    house.shares.unshare(home, share.token, ann)
    house.names.delete("public", "blog", ann)
    assert house.names.list(ann) == ()


def test_a_deleted_name_is_free_for_anybody(house, ann, bob):
    house.names.create("public", "blog", ann)
    house.names.delete("public", "blog", ann)
    assert house.names.create("public", "blog", bob).name == "blog"


def test_foreign_names_answer_exactly_like_missing_ones(house, ann, bob):
    house.names.create("public", "blog", ann)
    for namespace, name in (("public", "blog"), ("public", "missing"), ("missing", "blog"), ("public", "\ud83d")):
        for act in (house.names.delete, lambda *of: house.names.modify(*of, reserved=False)):
            with pytest.raises((NotFound, Invalid)) as caught:
                act(namespace, name, bob)
            assert name == "\ud83d" or str(caught.value) == "no such name"
    assert len(house.names.list(ann)) == 1 and house.names.list(bob) == ()


def test_names_are_listed_by_namespace(house, ann):
    house.public("other", "example.org")
    house.names.create("public", "blog", ann)
    house.names.create("other", "shop", ann)
    assert [name.name for name in house.names.list(ann)] == ["blog", "shop"]
    assert [name.name for name in house.names.list(ann, "other")] == ["shop"]


def test_my_names_stay_listed_when_a_grant_ends(house, ann):
    house.public("closed", "closed.example.com", is_open=False)
    house.namespaces.grant("closed", ann.email)
    house.names.create("closed", "blog", ann)
    house.namespaces.revoke("closed", ann.email)
    assert [name.name for name in house.names.list(ann, "closed")] == ["blog"]
    with pytest.raises(NotFound):
        house.names.create("closed", "shop", ann)


def test_namespaces_are_those_i_may_use(house, ann, bob):
    house.public("closed", "closed.example.com", is_open=False)
    house.namespaces.grant("closed", ann.email)
    assert [one.token for one in house.names.namespaces(ann)] == ["closed", "public"]
    assert [one.token for one in house.names.namespaces(bob)] == ["public"]
