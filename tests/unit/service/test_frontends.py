"""Public entrances, and what they are told."""

import gevent
import pytest

from zrokd.errors import Conflict, Invalid, NotFound, OverlayError
from zrokd.proxy.mapping import MappingTable


@pytest.fixture
def home(house, ann):
    house.public(frontends=["edge"])
    return house.env(ann)


def current(house):
    changes = house.frontends.mappings("edge", "", 0)
    return changes.epoch, changes.version


def test_ensuring_twice_is_as_good_as_once(house):
    for _ in range(2):
        house.frontends.ensure("edge", "token-of-edge")
    assert house.frontends.list() == ("edge",)
    assert house.directory.holder_of("token-of-edge").frontend == "edge"


def test_a_new_token_ends_the_old_one(house):
    house.frontends.ensure("edge", "token-of-edge")
    house.frontends.ensure("edge", "another-token")
    assert house.directory.holder_of("token-of-edge") is None
    assert house.directory.holder_of("another-token").frontend == "edge"


def test_two_frontends_do_not_share_a_token(house):
    house.frontends.ensure("edge", "token-of-edge")
    with pytest.raises(Conflict, match="another frontend has this token"):
        house.frontends.ensure("west", "token-of-edge")


@pytest.mark.parametrize(
    ("name", "token"), [("", "long-enough"), ("a b", "long-enough"), ("edge", "short"), ("edge", "")]
)
def test_name_and_token_follow_rules(house, name, token):
    with pytest.raises(Invalid):
        house.frontends.ensure(name, token)
    assert house.frontends.list() == ()


def test_its_identity_is_the_overlays(house):
    house.frontends.ensure("edge", "token-of-edge")
    assert house.frontends.identity("edge") == house.frontends.identity("edge")
    assert house.overlay.held("frontends") == {"edge": "edge"}
    house.overlay.away = True
    with pytest.raises(OverlayError, match="^the overlay is away$"):
        house.frontends.identity("edge")


@pytest.mark.parametrize("name", ["missing", ""])
def test_an_unknown_frontend_is_not_found(house, name):
    with pytest.raises(NotFound):
        house.frontends.identity(name)
    with pytest.raises(NotFound):
        house.frontends.mappings(name, "", 0)
    assert house.overlay.calls == []


def test_the_first_answer_is_everything(house, ann, home):
    share = house.share(ann, home)
    changes = house.frontends.mappings("edge", "", 0)
    assert changes.full and [m.token for m in changes.mappings] == [share.token]


def test_nothing_new_is_an_empty_answer_after_the_wait(house, ann, home):
    epoch, version = current(house)
    house.frontends.news()(0.05)
    changes = house.frontends.mappings("edge", epoch, version)
    assert (changes.full, changes.mappings, changes.version) == (False, (), version)


def ask_patiently(house, epoch, version):
    """As the API does it."""
    wait_for_news = house.frontends.news()
    changes = house.frontends.mappings("edge", epoch, version)
    if not changes.mappings:
        wait_for_news(20)
        changes = house.frontends.mappings("edge", epoch, version)
    return changes


def test_who_waits_hears_of_a_new_share(house, ann, home):
    epoch, version = current(house)
    waiting = gevent.spawn(ask_patiently, house, epoch, version)
    gevent.sleep(0)
    share = house.share(ann, home)
    changes = waiting.get(timeout=10)
    assert [m.token for m in changes.mappings] == [share.token] and not changes.full


def test_a_change_between_two_questions_is_not_waited_for(house, ann, home):
    epoch, version = current(house)
    house.share(ann, home)
    with gevent.Timeout(5):
        assert ask_patiently(house, epoch, version).mappings


def test_a_change_while_the_store_is_read_is_not_missed(house, ann, home, monkeypatch):
    epoch, version = current(house)
    read = house.store.__class__.read
    shared = []

    def slow(store, function, *args, **kwargs):
        result = read(store, function, *args, **kwargs)
        if not shared and function.__name__ == "_changes":
            shared.append(True)
            house.share(ann, home)
        return result

    monkeypatch.setattr(house.store.__class__, "read", slow)
    with gevent.Timeout(5):
        assert ask_patiently(house, epoch, version).mappings


def test_a_ring_without_news_ends_the_wait(house, ann, home):
    epoch, version = current(house)
    waiting = gevent.spawn(ask_patiently, house, epoch, version)
    gevent.sleep(0.05)
    house.bell.ring()
    assert waiting.get(timeout=5).mappings == ()


def test_a_frontends_table_follows(house, ann, home):
    table = MappingTable()

    def follow():
        table.apply(house.frontends.mappings("edge", table.epoch, table.version), table.version)
        return {m.host: m.token for m in table.snapshot().mappings}

    house.names.create("public", "blog", ann)
    assert follow() == {}
    share = house.share(ann, home, "blog")
    assert follow() == {"blog.share.example.com": share.token}
    house.shares.unshare(home, share.token, ann)
    assert follow() == {} == house.hosts()


@pytest.mark.parametrize("since", [-1, 2**70, 10**6])
def test_a_version_that_cannot_be_is_answered_with_everything(house, ann, home, since):
    house.share(ann, home)
    changes = house.frontends.mappings("edge", current(house)[0], since)
    assert changes.full and len(changes.mappings) == 1
