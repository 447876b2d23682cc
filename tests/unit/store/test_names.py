"""Names, and which share uses which."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from zrokd.errors import Conflict
from zrokd.store import names


@pytest.fixture
def ann(rows):
    return rows.account()


@pytest.fixture
def space(rows):
    return rows.namespace(url="https://{host}:8443")


def test_a_name_knows_its_host_and_its_share(store, rows, ann, space):
    share = rows.share(rows.environment(ann))
    rows.name(space, ann, "blog", share)
    rows.name(space, ann, "idle")
    used, idle = store.read(names.of_account, ann.id)
    assert (used.host, used.share_token, used.namespace, used.reserved) == (
        "blog.share.example.com",
        "tok1",
        "public",
        True,
    )
    assert (idle.host, idle.share_token) == ("idle.share.example.com", "")


def test_of_fifty_who_want_one_name_one_gets_it(store, rows, ann, space):
    owners = [rows.account(f"{number}@example.com") for number in range(50)]

    def attempt(owner):
        try:
            rows.name(space, owner)
        except Conflict as error:
            assert str(error) == "the name 'blog' is taken"
            return 0
        return 1

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(attempt, owners)) == 1


def test_of_fifty_shares_that_want_one_name_one_gets_it(store, rows, ann, space):
    home, name = rows.environment(ann), rows.name(space, ann)
    made = [rows.share(home, f"tok{number}") for number in range(50)]

    def attempt(share):
        try:
            store.write(names.attach, share.id, name)
        except Conflict:
            return 0
        return 1

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(attempt, made)) == 1


def test_attaching_again_is_fine(store, rows, ann, space):
    share = rows.share(rows.environment(ann))
    name = rows.name(space, ann, share=share)
    store.write(names.attach, share.id, name)
    assert store.read(names.find, space, "blog").share_id == share.id


def test_one_label_fits_into_two_namespaces(store, rows, ann, space):
    other = rows.namespace("other", "example.org")
    rows.name(space, ann)
    rows.name(other, ann)
    assert [name.namespace for name in store.read(names.of_account, ann.id)] == ["public", "other"]
    assert [name.namespace for name in store.read(names.of_account, ann.id, other)] == ["other"]


def test_detached_names_stay_if_reserved_and_are_freed_if_not(store, rows, ann, space):
    share = rows.share(rows.environment(ann))
    kept = rows.name(space, ann, "kept", share)
    rows.name(space, ann, "reserved", share)
    rows.name(space, ann, "made", share, reserved=False)
    store.write(names.detach, share.id, 9, keep=[kept])
    assert [(n.name, n.share_token) for n in store.read(names.of_account, ann.id)] == [
        ("kept", "tok1"),
        ("reserved", ""),
    ]
    assert store.read(names.find, space, "made") is None
    rows.name(space, rows.account("bob@example.com"), "made")


def test_only_reserved_names_count(store, rows, ann, space):
    rows.name(space, ann, "one")
    made = rows.name(space, ann, "two", reserved=False)
    assert store.read(names.count_reserved, ann.id) == 1
    store.write(names.set_reserved, made, 5, reserved=True)
    assert store.read(names.count_reserved, ann.id) == 2


def test_a_removed_name_is_free_for_anybody(store, rows, ann, space):
    store.write(names.remove, rows.name(space, ann), 5)
    assert store.read(names.of_account, ann.id) == ()
    assert store.read(names.count_reserved, ann.id) == 0
    rows.name(space, rows.account("bob@example.com"))


def test_a_namespace_can_be_emptied(store, rows, ann, space):
    rows.name(space, ann)
    store.write(names.remove_of_namespace, space, 5)
    assert store.read(names.of_account, ann.id) == ()


def test_urls_follow_the_pattern_of_the_namespace(store, rows, ann, space):
    share = rows.share(rows.environment(ann))
    rows.name(space, ann, "blog", share)
    rows.name(rows.namespace("plain", "example.org"), ann, "blog", share)
    assert store.read(names.urls_of_share, share.id) == (
        "https://blog.share.example.com:8443",
        "http://blog.example.org",
    )
    assert list(store.read(names.namespaces_by_host, share.id)) == ["blog.share.example.com", "blog.example.org"]
