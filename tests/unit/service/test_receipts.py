"""Asked again with the same key: carried out once. On both databases."""

import gevent
import pytest

from zrokd.errors import Conflict, Invalid, KeyReused, NotFound, StoreError
from zrokd.service.receipts import Seal, parse_key
from zrokd.store import receipts, tables

TOKEN, KEY = "anns-own-token", "8e03978e-40d5-43dd-bc93-6894a57f9324"
DAY_MS = 24 * 3600 * 1000


class Work:
    """Counts how often it is done, and makes a secret in a transaction; with `error` it fails before that."""

    def __init__(self, error=None):
        self.done, self.error = 0, error

    def __call__(self, house):
        self.done += 1
        if self.error:
            raise self.error
        house.store.write(receipts.made, b"canary-secret %d" % self.done)
        return b"canary-secret %d" % self.done


@pytest.fixture
def work():
    return Work()


def ask(house, work, key=KEY, token=TOKEN, request=b"POST /share {}", caller="account 1"):
    return house.receipts.once(caller, token, key, request, lambda: work(house), lambda made: made)


def test_the_same_key_gets_the_same_answer_and_the_work_is_done_once(house, new_house, work):
    assert [ask(house, work) for _ in range(3)] == [b"canary-secret 1"] * 3
    assert ask(new_house(), work) == b"canary-secret 1" and work.done == 1


def test_other_keys_and_other_callers_are_other_requests(house, work):
    ask(house, work)
    assert ask(house, work, key="another") == b"canary-secret 2"
    assert ask(house, work, token="bobs-own-token", caller="account 2") == b"canary-secret 3"


def test_a_key_for_another_request_is_refused(house, work):
    ask(house, work)
    with pytest.raises(KeyReused, match="another request before"):
        ask(house, work, request=b"POST /share {1}")
    assert work.done == 1


def test_while_the_first_runs_a_second_is_told_so(house, work):
    told = []

    def slow(_):
        with pytest.raises(Conflict, match="right now"):
            ask(house, work)
        with pytest.raises(KeyReused):
            ask(house, work, request=b"other")
        told.append(1)
        house.store.write(receipts.made, b"done")
        return b"done"

    assert ask(house, slow) == b"done" and told and work.done == 0
    assert ask(house, work) == b"done"


def test_of_many_at_once_one_is_carried_out(house, at_once):
    done = []

    def slow(_):
        done.append(1)
        gevent.sleep(0.01)
        house.store.write(receipts.made, b"done")
        return b"done"

    found = at_once(lambda _: ask(house, slow), range(20))
    assert len(done) == 1 and {type(each) for each in found} <= {bytes, Conflict} and b"done" in found


def test_what_failed_is_carried_out_again(house, work):
    failing = Work(NotFound("no such environment"))
    for _ in range(2):
        with pytest.raises(NotFound):
            ask(house, failing)
    assert failing.done == 2 and ask(house, work) == b"canary-secret 1"


def test_what_a_crash_cut_off_is_carried_out_again(house, new_house, work, kind):
    house.store.write(house.receipts._begin, asked())
    again = new_house()
    if kind == "postgres":  # another controller may be at it
        with pytest.raises(Conflict):
            ask(again, work)
        again.clock.ahead_ms = 121_000
    assert ask(again, work) == b"canary-secret 1" and ask(again, work) == b"canary-secret 1"


def asked():
    from zrokd.store.receipts import Asked

    seal = Seal.of(TOKEN, KEY)
    return Asked(digest=seal.digest("key"), request=seal.digest("request", b"POST /share {}"), caller="account 1")


def test_nothing_that_can_be_read_is_kept(house, work):
    ask(house, work, request=b"canary-password")
    rows = house.store.read(lambda: [str(row) for row in tables.Receipt.select().tuples()])
    assert len(rows) == 1
    for secret in ("canary", TOKEN, KEY):
        assert secret not in rows[0]


def test_after_a_day_it_is_forgotten(house, work):
    ask(house, work)
    house.clock.ahead_ms = DAY_MS - 1000
    assert ask(house, work) == b"canary-secret 1" and house.receipts.prune() == 0
    house.clock.ahead_ms = DAY_MS + 1000
    assert ask(house, work) == b"canary-secret 2"
    house.clock.ahead_ms = 3 * DAY_MS
    assert house.receipts.prune() == 1


def test_a_caller_has_room_for_so_many_and_takes_none_of_others(house, work, monkeypatch):
    monkeypatch.setattr("zrokd.store.receipts._MOST", 3)
    ask(house, work, caller="account 2", token="bobs-own-token")
    for number in range(5):
        ask(house, work, key=f"key-{number}")
    assert house.store.read(tables.Receipt.select().count) == 4
    assert ask(house, work, key="key-4") == b"canary-secret 6"
    assert ask(house, work, caller="account 2", token="bobs-own-token") == b"canary-secret 1"
    assert ask(house, work, key="key-0") == b"canary-secret 7"


def test_an_answer_that_is_too_large_is_not_kept(house, monkeypatch):
    monkeypatch.setattr("zrokd.service.receipts._MOST_BYTES", 10)
    work = Work()
    assert [ask(house, work), ask(house, work)] == [b"canary-secret 1", b"canary-secret 2"]


def test_what_is_made_and_its_answer_are_kept_both_or_neither(house, work):
    from tests.unit.service.conftest import fail

    house.faults.arm(3, fail)
    with pytest.raises(StoreError):
        ask(house, work)
    assert house.store.read(tables.Receipt.select().count) == 0
    assert ask(house, work) == ask(house, work) == b"canary-secret 2"


def test_who_is_cut_off_after_it_was_made_hears_the_answer_and_no_second_one_is_made(house, new_house, work):
    def cut_off(house):
        work(house)
        raise gevent.GreenletExit

    with pytest.raises(gevent.GreenletExit):
        ask(house, cut_off)
    assert ask(new_house(), work) == b"canary-secret 1" and work.done == 1


@pytest.mark.parametrize(
    ("field", "key"), [(f'"{KEY}"', KEY), (KEY, KEY), (' "a b" ', "a b"), ("x" * 255, "x" * 255)], ids=range(4)
)
def test_a_key_is_a_text_in_quotes_or_a_word(field, key):
    assert parse_key(field) == key


@pytest.mark.parametrize(
    "field", ["", '""', "a b", '"a', 'a"', '"a"b"', "x" * 256, "ä", '"\x00"', '"a\\b"'], ids=range(10)
)
def test_what_is_no_key_is_refused(field):
    with pytest.raises(Invalid, match="Idempotency-Key"):
        parse_key(field)
