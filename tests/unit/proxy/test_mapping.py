from dataclasses import replace

import gevent
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from zrokd.model.naming import Mapping, MappingChanges
from zrokd.net import turns
from zrokd.proxy.mapping import MappingTable, OutOfStep


def at(version: int, host: str, token: str = "") -> Mapping:
    return Mapping(version=version, host=host, token=token, mode="proxy")


def full(version: int, *mappings: Mapping, epoch: str = "e1") -> MappingChanges:
    return MappingChanges(epoch=epoch, version=version, full=True, mappings=mappings)


def delta(version: int, *mappings: Mapping, epoch: str = "e1") -> MappingChanges:
    return MappingChanges(epoch=epoch, version=version, full=False, mappings=mappings)


@pytest.fixture
def table() -> MappingTable:
    made = MappingTable()
    made.replace(full(5, at(3, "a.zone", "tok-a"), at(5, "b.zone", "tok-b")))
    return made


def test_a_new_table_knows_nothing_and_says_so():
    table = MappingTable()
    assert (table.loaded, table.epoch, table.version, len(table)) == (False, "", 0, 0)
    assert table.lookup("a.zone") is None


def test_a_snapshot_is_looked_up_whatever_the_host_looks_like(table):
    for host in ("a.zone", "A.ZONE", "a.zone.", "a.zone:8080", "A.zone.:80"):
        assert table.lookup(host).token == "tok-a"
    assert (table.loaded, table.epoch, table.version, len(table)) == (True, "e1", 5, 2)


def test_a_route_changes_with_its_mapping(table):
    assert table.route("a.zone") is table.route("a.zone")
    assert (table.route("a.zone").token, table.route("c.zone")) == ("tok-a", None)
    table.apply(delta(6, at(6, "a.zone", "tok-2")))
    assert table.route("a.zone").token == "tok-2"
    table.apply(delta(7, replace(at(7, "a.zone", "tok-2"), limited=True)))
    assert table.route("a.zone") is None
    table.apply(delta(8, at(8, "a.zone", "tok-2")))
    assert table.route("a.zone").token == "tok-2"
    table.apply(delta(9, at(9, "a.zone")))
    assert table.route("a.zone") is None
    table.route("b.zone")
    table.replace(full(10, at(10, "b.zone", "tok-3")))
    assert table.route("b.zone").token == "tok-3"


def test_an_empty_snapshot_is_knowledge_too():
    table = MappingTable()
    table.replace(full(0))
    assert table.loaded


def test_hosts_in_a_snapshot_are_made_canonical(table):
    table.replace(full(9, at(9, "Mixed.Zone.", "tok-m")))
    assert table.lookup("mixed.zone").token == "tok-m"


def test_others_run_while_a_large_snapshot_is_taken_and_see_all_of_the_old_one_or_of_the_new(table, monkeypatch):
    monkeypatch.setattr(turns, "_TURN_S", 0.0)  # its turn is over with each name
    seen = []

    def watch():
        while not seen or seen[-1] != (500, True):
            held = len(table)
            seen.append((held, table.lookup("h1.zone") is not None and table.leads_to("tok-1")))
            turns.give_way()

    watching = gevent.spawn(watch)
    gone = table.replace(full(500, *(at(number, f"h{number}.zone", f"tok-{number}") for number in range(1, 501))))
    watching.join(5)
    assert gone == {"tok-a", "tok-b"}
    assert seen.count((2, False)) > 100 and set(seen) == {(2, False), (500, True)}


def test_others_run_while_a_large_table_is_forgotten(table, monkeypatch):
    table.replace(full(500, *(at(number, f"h{number}.zone", f"tok-{number}") for number in range(1, 501))))
    monkeypatch.setattr(turns, "_TURN_S", 0.0)
    seen = []

    def watch():
        while True:
            seen.append(len(table))
            turns.give_way()

    watching = gevent.spawn(watch)
    gone = table.replace(full(501, epoch="e2"))
    watching.kill()
    assert len(gone) == 500 and seen.count(0) > 100


def test_the_latest_mapping_of_a_host_counts_whatever_their_order(table):
    table.replace(full(9, at(9, "a.zone", "new"), at(8, "A.zone", "old"), at(7, "b.zone", "b"), at(9, "b.zone")))
    assert (table.lookup("a.zone").token, table.lookup("b.zone"), len(table)) == ("new", None, 1)
    assert (table.leads_to("new"), table.leads_to("old"), table.leads_to("b")) == (True, False, False)


def test_a_delta_adds_changes_and_takes_away(table):
    gone = table.apply(delta(8, at(6, "c.zone", "tok-c"), at(7, "a.zone"), at(8, "b.zone", "tok-b2")))
    assert table.lookup("a.zone") is None
    assert table.lookup("b.zone").token == "tok-b2"
    assert table.lookup("c.zone").token == "tok-c"
    assert gone == {"tok-a", "tok-b"}
    assert table.version == 8


def test_an_empty_delta_moves_the_version_on(table):
    assert table.apply(delta(11)) == frozenset()
    assert table.version == 11


def test_the_later_of_two_changes_of_one_host_holds_in_whatever_order_they_come(table):
    table.apply(delta(8, at(8, "a.zone", "newest"), at(7, "a.zone"), at(6, "a.zone", "older")))
    assert table.lookup("a.zone").token == "newest"


def test_taking_away_what_is_not_there_is_no_matter(table):
    assert table.apply(delta(6, at(6, "x.zone"))) == frozenset()
    assert len(table) == 2


def test_a_share_with_two_names_is_gone_only_with_the_last(table):
    table.apply(delta(6, at(6, "a2.zone", "tok-a")))
    assert table.apply(delta(7, at(7, "a.zone"))) == frozenset()
    assert table.leads_to("tok-a")
    assert table.apply(delta(8, at(8, "a2.zone"))) == {"tok-a"}
    assert not table.leads_to("tok-a")


def test_a_share_that_moves_to_another_name_is_not_gone(table):
    assert table.apply(delta(7, at(6, "a.zone"), at(7, "moved.zone", "tok-a"))) == frozenset()


def test_a_new_snapshot_tells_which_shares_are_gone(table):
    assert table.replace(full(9, at(9, "b.zone", "tok-b"))) == {"tok-a"}
    assert table.lookup("a.zone") is None


def test_a_snapshot_of_another_epoch_is_taken_whatever_its_version(table):
    table.replace(full(1, at(1, "n.zone", "tok-n"), epoch="e2"))
    assert (table.epoch, table.version) == ("e2", 1)


def test_tombstones_in_a_snapshot_are_no_names():
    table = MappingTable()
    table.replace(full(4, at(3, "a.zone", "tok-a"), at(4, "a.zone")))
    assert table.lookup("a.zone") is None
    assert not table.leads_to("tok-a")


MISFITS = {
    "of another epoch": (delta(6, at(6, "a.zone", "x"), epoch="e2"), 5),
    "one in between was lost": (delta(9, at(9, "a.zone", "x")), 7),
    "the same again": (delta(5, at(5, "a.zone", "x")), 3),
    "an old one, late": (delta(4, at(4, "a.zone", "x")), 2),
    "the store went back in time": (delta(4), 5),
    "it tells of what was known": (delta(8, at(5, "a.zone", "x")), 5),
    "it tells of the future": (delta(8, at(9, "a.zone", "x")), 5),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_delta_that_does_not_fit_is_refused_whole(table, name):
    changes, since = MISFITS[name]
    before = table.snapshot()
    with pytest.raises(OutOfStep):
        table.apply(changes, since)
    assert table.snapshot() == before


def test_a_delta_before_any_snapshot_is_refused():
    with pytest.raises(OutOfStep):
        MappingTable().apply(delta(1, at(1, "a.zone", "x"), epoch=""))


def test_a_full_answer_to_a_question_for_a_delta_is_taken(table):
    assert table.apply(full(2, at(2, "z.zone", "tok-z"), epoch="e2"), since=5) == {"tok-a", "tok-b"}
    assert table.lookup("z.zone").token == "tok-z"


def test_a_snapshot_of_the_table_makes_the_same_table(table):
    table.apply(delta(7, at(6, "c.zone", "tok-c"), at(7, "a.zone")))
    copy = MappingTable()
    copy.replace(table.snapshot())
    assert copy.snapshot() == table.snapshot()


class Feeding(RuleBasedStateMachine):
    """A store that changes at random, and a table fed with deltas of it, some of them lost, doubled or late."""

    def __init__(self) -> None:
        super().__init__()
        self.truth: dict[str, Mapping] = {}
        self.version = 0
        self.table = MappingTable()
        self.past: list[tuple[MappingChanges, int]] = []
        self.gone: set[str] = set()

    def _since(self, since: int) -> MappingChanges:
        return delta(self.version, *(m for m in self.truth.values() if m.version > since))

    @rule(host=st.sampled_from("abcd"), token=st.sampled_from(["", "t1", "t2", "t3"]))
    def change(self, host, token):
        self.version += 1
        self.truth[host] = at(self.version, host, token)

    @rule()
    def feed(self):
        since = self.table.version
        changes = self._since(since) if self.table.loaded else full(self.version, *self.truth.values())
        self.past.append((changes, since))
        before = {m.token for m in self.table.snapshot().mappings}
        gone = self.table.apply(changes, since)
        assert gone == before - {m.token for m in self.table.snapshot().mappings}
        self.current()

    @rule(back=st.integers(0, 5))
    def repeat(self, back):
        if not self.past or self.past[-1 - back % len(self.past)][0].full:
            return
        changes, since = self.past[-1 - back % len(self.past)]
        if since == self.table.version:
            return
        before = self.table.snapshot()
        with pytest.raises(OutOfStep):
            self.table.apply(changes, since)
        assert self.table.snapshot() == before

    def current(self) -> None:
        assert {m.host: m for m in self.table.snapshot().mappings} == {
            host: m for host, m in self.truth.items() if m.token
        }

    @invariant()
    def tokens_are_counted_right(self):
        tokens = {m.token for m in self.table.snapshot().mappings}
        assert all(self.table.leads_to(token) == (token in tokens) for token in ("t1", "t2", "t3"))


TestFeeding = Feeding.TestCase
TestFeeding.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def limited(version: int, host: str, token: str) -> Mapping:
    return Mapping(version=version, host=host, token=token, mode="proxy", limited=True)


def test_a_share_that_becomes_limited_goes_away_for_visitors_and_comes_back(table):
    assert table.apply(delta(6, limited(6, "a.zone", "tok-a"))) == {"tok-a"}
    assert not table.leads_to("tok-a") and table.lookup("a.zone").limited
    assert table.apply(delta(7, at(7, "a.zone", "tok-a"))) == set()
    assert table.leads_to("tok-a")
    table.apply(delta(8, at(8, "a.zone")))
    assert not table.leads_to("tok-a")


def test_a_snapshot_with_a_limited_share_sends_away_who_is_inside(table):
    assert table.replace(full(9, limited(9, "a.zone", "tok-a"), at(5, "b.zone", "tok-b"))) == {"tok-a"}
    assert not table.leads_to("tok-a") and table.leads_to("tok-b")
