"""The journal of sagas, and the lock on each subject."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.postgres.fixtures import only_sqlite
from zrokd.errors import Unavailable
from zrokd.store import intents
from zrokd.store.intents import ACCESS, CREATE, DELETE, SHARE


def begin(store, subject="tok", verb=CREATE, kind=SHARE, worker="me", at_ms=1000, **payload):
    return store.write(intents.begin, verb, kind, subject, worker, at_ms, **payload)


def test_an_intent_says_what_and_since_when(store):
    intent = begin(store, kind=ACCESS, share="tok2", row=3)
    assert (intent.verb, intent.kind, intent.subject) == (CREATE, ACCESS, "tok")
    assert (intent.worker, intent.started_at_ms, intent.abandoned) == ("me", 1000, False)
    assert intent.payload == {"share": "tok2", "row": 3}
    assert store.read(intents.find, ACCESS, "tok") == intent
    assert store.read(intents.find, SHARE, "tok") is None


def test_a_subject_is_worked_on_by_one_only(store):
    begin(store)
    with pytest.raises(Unavailable, match="^share tok is being changed right now; try again$") as caught:
        begin(store, verb=DELETE)
    assert caught.value.retry_after_s == 1.0
    begin(store, kind=ACCESS)
    begin(store, subject="other")


def test_of_many_who_begin_at_once_one_wins(store):
    def attempt(_):
        try:
            begin(store)
        except Unavailable:
            return 0
        return 1

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(attempt, range(50))) == 1


def test_an_end_counts_once(store):
    intent = begin(store)
    assert store.read(intents.holds, intent)
    assert store.write(intents.end, intent)
    assert not store.read(intents.holds, intent)
    assert not store.write(intents.end, intent)
    begin(store)


@only_sqlite  # PostgreSQL never gives an id again
def test_who_was_overtaken_does_not_end_the_work_of_another(store):
    old = begin(store, at_ms=1000)
    store.write(intents.end, old)
    new = begin(store, at_ms=2000)  # SQLite gave it the freed id
    assert new.id == old.id
    assert not store.write(intents.end, old)
    assert store.read(intents.holds, new)
    assert not store.read(intents.holds, replace(new, subject="other"))


def test_abandoned_work_is_taken_over_by_one(store):
    begin(store)
    store.write(intents.abandon, store.read(intents.find, SHARE, "tok"))
    left = store.read(intents.find, SHARE, "tok")
    assert left.abandoned
    claims = [store.write(intents.claim, left, worker, 2000) for worker in ("one", "two")]
    assert claims[1] is None
    assert (claims[0].worker, claims[0].started_at_ms, claims[0].abandoned) == ("one", 2000, False)
    assert store.read(intents.find, SHARE, "tok") == claims[0]
    assert store.write(intents.end, claims[0])


def test_who_lost_the_work_can_neither_end_nor_abandon_it(store):
    mine = begin(store)
    theirs = store.write(intents.claim, mine, "them", 5000)
    store.write(intents.abandon, mine)
    assert not store.write(intents.end, mine)
    assert store.read(intents.holds, theirs) and not store.read(intents.holds, mine)


@pytest.mark.parametrize(
    ("alone", "before_ms", "found"),
    [
        (False, 0, ["abandoned"]),
        (False, 1500, ["abandoned", "old", "theirs, old"]),
        (True, 0, ["abandoned", "theirs, old", "theirs"]),
        (True, 1500, ["abandoned", "old", "theirs, old", "theirs"]),
    ],
)
def test_what_nobody_is_at_is_found(store, alone, before_ms, found):
    store.write(intents.abandon, begin(store, "abandoned", at_ms=3000))
    begin(store, "old", at_ms=1000)
    begin(store, "young", at_ms=3000)
    begin(store, "theirs, old", worker="them", at_ms=1000)
    begin(store, "theirs", worker="them", at_ms=3000)
    interrupted = store.read(intents.interrupted, "me", before_ms, alone=alone)
    assert [intent.subject for intent in interrupted] == found
    assert len(store.read(intents.subjects, SHARE)) == 5
    assert store.read(intents.subjects, ACCESS) == set()
