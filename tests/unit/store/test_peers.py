"""Runs of controllers on one database: one leads, and the dead are known."""

import time

import gevent
import pytest

from tests.postgres.fixtures import only_postgres, only_sqlite
from zrokd.errors import StartError, StoreError
from zrokd.store import intents, receipts
from zrokd.store.peers import Alone, peers_of


@pytest.fixture
def peers(database):
    """peers(worker): a run among others on the test's database."""
    made = []

    def join(worker):
        made.append(peers_of(database, worker))
        return made[-1]

    yield join
    for each in made:
        each.close()


@only_sqlite
def test_a_database_for_one_needs_no_vote(peers):
    one = peers("one")
    assert isinstance(one, Alone) and one.leads and one.beat()
    assert one.dead({"before"}) == set()


@only_postgres
def test_of_several_one_leads_and_goes_on_leading(peers):
    one, two, three = peers("one"), peers("two"), peers("three")
    assert [each.beat() for each in (one, two, three)] == [True, False, False]
    assert [each.beat() for each in (three, two, one)] == [False, False, True]


@only_postgres
def test_when_the_leader_goes_the_next_that_beats_leads(peers):
    one, two = peers("one"), peers("two")
    one.beat(), two.beat()
    one.close()
    assert not one.leads
    until = time.monotonic() + 5
    while not two.beat():  # the server takes a moment to see that a session ended
        assert time.monotonic() < until
        gevent.sleep(0.01)
    assert not one.beat()


@only_postgres
def test_a_leader_whose_session_is_cut_leads_no_more(peers, postgres):
    one, two = peers("one"), peers("two")
    one.beat(), two.beat()
    postgres.sql("select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and objsubid = 1")
    with pytest.raises(StoreError, match="no session"):
        one.beat()
    assert not one.leads
    assert two.beat()
    assert not one.beat(), "it is back, and follows"


@only_postgres
def test_a_run_is_dead_when_it_was_missed_twice(peers):
    one, two = peers("one"), peers("two")
    one.beat(), two.beat()
    assert one.dead({"two", "gone"}) == set()
    assert one.dead({"two", "gone"}) == {"gone"}
    two.close()
    assert one.dead({"two"}) == set()
    two.beat()
    assert one.dead({"two"}) == set() and one.dead({"two"}) == set(), "it came back between"


@only_postgres
def test_databases_of_one_server_know_nothing_of_each_other(peers, new_postgres_database):
    one, other = peers("one"), peers_of(new_postgres_database(), "one")
    assert one.beat() and other.beat()
    one.close()
    assert one.dead({"one"}) == set()
    assert one.dead({"one"}) == set(), "asking makes it seen"
    other.close()


@only_postgres
def test_a_storage_without_sessions_is_refused(database, monkeypatch):
    monkeypatch.delattr(type(database), "session")
    with pytest.raises(StartError, match="cannot tell who leads"):
        peers_of(database, "one")


def test_what_a_dead_run_was_at_is_anybodys(store):
    for worker, subject in (("dead", "a"), ("dead", "b"), ("living", "c")):
        store.write(intents.begin, intents.CREATE, intents.SHARE, subject, worker, 1)
    assert store.read(intents.workers) == {"dead", "living"}
    assert store.write(intents.abandon_of, {"dead"}) == 2
    assert store.read(intents.workers) == {"living"}
    assert store.read(intents.find, intents.SHARE, "a").abandoned
    assert not store.read(intents.find, intents.SHARE, "c").abandoned


def test_what_a_dead_run_did_not_answer_may_be_asked_anew(store):
    for worker, digest in (("dead", "a"), ("dead", "b"), ("living", "c")):
        store.write(receipts.begin, receipts.Asked(digest=digest, request="r", caller="x"), worker, 1)
    store.write(receipts.finish, "b", "dead", "sealed")
    assert store.read(receipts.workers) == {"dead", "living"}
    store.write(receipts.drop_of, {"dead"})
    assert store.read(receipts.workers) == {"living"}
    assert store.read(receipts.find, "a", 1) is None
    assert store.read(receipts.find, "b", 1).answer == "sealed"
