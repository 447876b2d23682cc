"""What frontends are told: snapshots, deltas and tombstones."""

import random

import pytest

from zrokd.model.share import Gating
from zrokd.proxy.mapping import MappingTable
from zrokd.store import mappings, meta, names, shares


@pytest.fixture
def ann(rows):
    return rows.account()


@pytest.fixture
def home(rows, ann):
    return rows.environment(ann)


@pytest.fixture
def space(rows):
    return rows.namespace()


@pytest.fixture
def edge(rows, space):
    return rows.frontend("edge", [space])


@pytest.fixture
def told(store, edge):
    """told(since): what the frontend hears in the current epoch."""
    return lambda since: store.read(lambda: mappings.changes(edge, meta.epoch(), since))


def hosts(changes):
    return {mapping.host: mapping.token for mapping in changes.mappings}


def publish(store, share, at_ms=1):
    return store.write(mappings.sync, share.token, at_ms)


def test_a_share_with_a_name_is_told(store, rows, ann, home, space, told):
    gating = Gating(gate="basic", config={"users": []})
    share = rows.share(home, gating=gating)
    rows.name(space, ann, share=share)
    assert publish(store, share)
    changes = told(0)
    (mapping,) = changes.mappings
    assert (changes.version, changes.full) == (1, False)
    assert (mapping.version, mapping.host, mapping.token) == (1, "blog.share.example.com", "tok1")
    assert (mapping.mode, mapping.gating, mapping.deleted) == ("proxy", gating, False)


def test_nothing_new_makes_no_version(store, rows, ann, home, space, told):
    share = rows.share(home)
    rows.name(space, ann, share=share)
    assert publish(store, share)
    assert not publish(store, share)
    assert told(1) == told(1)
    assert (told(1).version, told(1).mappings, told(1).full) == (1, (), False)


def test_a_changed_gate_is_told_again(store, rows, ann, home, space, told):
    share = rows.share(home)
    rows.name(space, ann, share=share)
    publish(store, share)
    store.write(shares.revise, share.id, rows.draft(home, gating=Gating(gate="basic")), 2)
    assert publish(store, share)
    assert [(m.version, m.gating.gate) for m in told(1).mappings] == [(2, "basic")]
    assert len(told(0).mappings) == 1


def test_an_end_travels_as_a_tombstone_and_is_not_in_a_snapshot(store, rows, ann, home, space, told, edge):
    share = rows.share(home)
    rows.name(space, ann, share=share)
    publish(store, share)
    store.write(shares.make_leave, share.id, 2)
    assert publish(store, share)
    (gone,) = told(1).mappings
    assert gone.deleted and (gone.version, gone.host) == (2, "blog.share.example.com")
    full = store.read(mappings.changes, edge, "another epoch", 0)
    assert full.full and full.mappings == () and full.version == 2


def test_a_name_that_moves_is_told_once_with_its_new_share(store, rows, ann, home, space, told):
    one, two = rows.share(home, "tok1"), rows.share(home, "tok2")
    name = rows.name(space, ann, share=one)
    publish(store, one)

    def move():
        names.detach(one.id, 2)
        names.attach(two.id, name)
        mappings.sync("tok1", 2)
        mappings.sync("tok2", 2)

    store.write(move)
    assert hosts(told(1)) == {"blog.share.example.com": "tok2"}
    assert store.write(lambda: mappings.sync("tok1", 3)) is False


@pytest.mark.parametrize(
    ("epoch", "since", "full"),
    [("", 0, True), ("old", 3, True), (None, 0, False), (None, 3, False), (None, 5, False), (None, 6, True),
     (None, 2**80, True), (None, -1, True)],
)  # fmt: skip
def test_who_cannot_be_brought_forward_gets_everything(store, rows, ann, home, space, edge, epoch, since, full):
    for number in range(5):
        share = rows.share(home, f"tok{number}")
        rows.name(space, ann, f"name{number}", share)
        publish(store, share)
    epoch = store.read(meta.epoch) if epoch is None else epoch
    changes = store.read(mappings.changes, edge, epoch, since)
    assert changes.full == full
    assert len(changes.mappings) == (5 if full else 5 - since)
    assert changes.version == 5


def test_a_frontend_hears_only_of_the_namespaces_it_serves(store, rows, ann, home, space, edge):
    other = rows.namespace("other", "example.org")
    west = rows.frontend("west", [other])
    share = rows.share(home)
    rows.name(space, ann, "here", share)
    rows.name(other, ann, "there", share)
    publish(store, share)
    assert list(hosts(store.read(mappings.changes, edge, "", 0))) == ["here.share.example.com"]
    assert list(hosts(store.read(mappings.changes, west, "", 0))) == ["there.example.org"]
    assert store.read(mappings.changes, rows.frontend("idle"), "", 0).mappings == ()


def test_forgotten_tombstones_make_those_who_missed_them_start_anew(store, rows, ann, home, space, told):
    one, two = rows.share(home, "tok1"), rows.share(home, "tok2")
    for share, name in ((one, "one"), (two, "two")):
        rows.name(space, ann, name, share)
        publish(store, share)
    store.write(shares.make_leave, one.id, 5)
    publish(store, one, at_ms=5)
    assert store.write(mappings.prune, 5) == 0
    assert store.write(mappings.prune, 6) == 1
    assert told(2).full and hosts(told(2)) == {"two.share.example.com": "tok2"}
    assert not told(3).full and told(3).version == 3


def whole(store, edge, epoch="", since=0):
    changes = store.read(mappings.changes, edge, epoch, since)
    while changes.next:
        changes = changes.followed_by(store.read(mappings.changes, edge, changes.next, since))
    return changes


@pytest.fixture
def many(store, rows, ann, home, space, monkeypatch):
    """Seven names, and room for two in a page."""
    monkeypatch.setattr(mappings, "PAGE", 2)
    made = [rows.share(home, f"tok{number}") for number in range(7)]
    for number, share in enumerate(made):
        rows.name(space, ann, f"name{number}", share=share)
        publish(store, share)
    return made


def test_everything_comes_in_pages(store, edge, many):
    first = store.read(mappings.changes, edge, "", 0)
    assert (len(first.mappings), first.full, first.next != "") == (2, True, True)
    changes = whole(store, edge)
    assert (len(changes.mappings), changes.version, changes.full, changes.next) == (7, 7, True, "")


def test_a_long_delta_comes_in_pages_too(store, edge, many, told):
    first, second = told(0), told(2)
    assert (first.version, second.version, first.full, first.next) == (2, 4, False, "")
    assert [m.version for m in (*first.mappings, *second.mappings)] == [1, 2, 3, 4]


def test_what_ends_between_two_pages_is_not_in_the_whole(store, edge, many):
    first = store.read(mappings.changes, edge, "", 0)
    store.write(lambda: (shares.make_leave(many[0].id, 1), mappings.sync("tok0", 1)))
    changes = first
    while changes.next:
        changes = changes.followed_by(store.read(mappings.changes, edge, changes.next, 0))
    table = MappingTable()
    table.replace(changes)
    assert len(table) == 6 and not table.leads_to("tok0") and table.version == 8


def test_pages_go_on_past_forgotten_tombstones(store, edge, many):
    store.write(meta.set_pruned_version, 6)
    assert len(whole(store, edge).mappings) == 7


def test_a_new_epoch_between_two_pages_begins_anew(store, edge, many):
    first = store.read(mappings.changes, edge, "", 0)
    store.write(meta.begin_epoch)
    again = first.followed_by(store.read(mappings.changes, edge, first.next, 0))
    assert again.mappings == first.mappings and again.epoch != first.epoch and again.full


@pytest.mark.parametrize("rest", ["/", "/x", "/-1", "/²", "//1", ""])
def test_a_page_that_nobody_offered_is_the_first(store, edge, many, rest):
    epoch = store.read(meta.epoch)
    asked = f"{epoch}{rest}" if rest else "another"
    changes = store.read(mappings.changes, edge, asked, 0)
    assert [m.version for m in changes.mappings] == [1, 2]


def test_a_table_fed_with_deltas_equals_one_fed_with_a_snapshot(store, rows, ann, home, space, edge):
    fed, chance = MappingTable(), random.Random(7)
    made = [rows.share(home, f"tok{number}") for number in range(6)]
    ids = [rows.name(space, ann, f"name{number}") for number in range(10)]
    for at_ms in range(120):
        share = chance.choice(made)

        def change(share=share, at_ms=at_ms):
            used = {n.name for n in names.of_account(ann.id) if n.share_token and n.share_token != share.token}
            free = [row for number, row in enumerate(ids) if f"name{number}" not in used]
            wanted = chance.sample(free, chance.randint(0, min(3, len(free))))
            names.detach(share.id, at_ms, keep=wanted)
            for row in wanted:
                names.attach(share.id, row)
            mappings.sync(share.token, at_ms)
            if chance.random() < 0.1:
                mappings.prune(at_ms - 5)

        store.write(change)
        if chance.random() < 0.5:
            changes = store.read(mappings.changes, edge, fed.epoch, fed.version)
            fed.apply(changes, fed.version)
    fed.apply(store.read(mappings.changes, edge, fed.epoch, fed.version), fed.version)
    fresh = MappingTable()
    fresh.apply(store.read(mappings.changes, edge, "", 0), 0)
    by_host = lambda table: {m.host: m.token for m in table.snapshot().mappings}  # noqa: E731
    assert by_host(fed) == by_host(fresh)
