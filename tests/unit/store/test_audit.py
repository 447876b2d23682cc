"""Records stand and fall with the work they tell of, whatever ends the process; what was tampered with is found."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from zrokd.model.audit import PRUNED, Actor, Broken, Chain, acting
from zrokd.store import accounts, audit, meta
from zrokd.store.database import Store

DAY_MS = 86_400_000


def held(store):
    """The chain, when it holds. :raises Broken: it does not."""
    chain = Chain(store.read(meta.audit_checkpoint))
    after = 0
    while found := store.read(audit.page, after, 7):
        for record in found:
            chain.take(record)
        after = found[-1].seq
    chain.end(store.read(meta.audit_head))
    return chain


def make(store, email="ann@example.com"):
    def work():
        accounts.add(email, "", 1)
        audit.note("account.created", account=email)

    store.write(work)


def sql(store, text):
    with store.database.connection_context():
        return store.database.execute_sql(text).rowcount


def records(store):
    return store.read(audit.page, 0, 1000)


def test_a_change_and_its_record_are_one(store):
    make(store)
    with pytest.raises(RuntimeError):
        store.write(lambda: [accounts.add("eve@example.com", "", 1), audit.note("account.created"), fail()])
    (record,) = records(store)
    assert (record.seq, record.event, record.account, record.actor) == (
        1, "account.created", "ann@example.com", "controller",
    )  # fmt: skip
    assert abs(record.at_ms - time.time() * 1000) < 60_000
    assert held(store).count == 1


def fail():
    raise RuntimeError


def test_who_is_at_work_is_told_also_from_another_thread(store):
    with acting(Actor(name="ann@example.com", via="token laptop", address="192.0.2.1")), ThreadPoolExecutor(1) as pool:
        make(Store(store.database, lambda function, *args: pool.submit(function, *args).result()))
    assert [(one.actor, one.via, one.address) for one in records(store)] == [
        ("ann@example.com", "token laptop", "192.0.2.1")
    ]


def test_several_notes_of_one_change_stand_in_their_order(store):
    store.write(lambda: [audit.note(f"event.{number}", number=number) for number in range(5)])
    assert [(one.seq, one.event, one.facts) for one in records(store)] == [
        (number + 1, f"event.{number}", {"number": number}) for number in range(5)
    ]
    assert held(store).count == 5


@pytest.mark.parametrize(
    ("damage", "first_bad"),
    [
        ("update audit_record set actor = 'somebody' where id = 4", "record 4 is not"),
        ("update audit_record set facts = 'garbled {' where id = 4", "record 4 is not"),
        ("update audit_record set at_ms = at_ms + 1 where id = 4", "record 4 is not"),
        ("update audit_record set digest = (select digest from audit_record where id = 5) where id = 4", "record 4 is"),
        ("delete from audit_record where id = 4", "record 4 is missing"),
        ("delete from audit_record where id <= 4", "record 1 is missing"),
        ("delete from audit_record where id >= 4", "record 4 is missing"),
        ("delete from audit_record", "record 1 is missing"),
        ("update audit_record set id = 100 where id = 4", "record 4 is missing"),
        ("update audit_record set id = -id where id = 4", "record 4 is missing"),
    ],
)
def test_what_somebody_did_to_the_table_is_found(store, damage, first_bad):
    for number in range(9):
        make(store, f"a{number}@example.com")
    assert held(store).count == 9
    assert sql(store, damage)
    with pytest.raises(Broken, match=f"^{first_bad}"):
        held(store)


def test_two_records_that_changed_places_are_found(store):
    for number in range(9):
        make(store, f"a{number}@example.com")
    for old, new in ((4, 99), (5, 4), (99, 5)):
        sql(store, f"update audit_record set id = {new} where id = {old}")
    with pytest.raises(Broken, match="^record 4 is not what was written, or not in its place"):
        held(store)


def test_the_old_is_pruned_once_a_day_and_the_rest_still_holds(store, monkeypatch):
    now_ms = 1_700_000_000_000
    for number in range(20):
        monkeypatch.setattr(time, "time_ns", lambda at=now_ms + number * DAY_MS: at * 1_000_000)
        make(store, f"a{number}@example.com")
    assert store.write(audit.prune, now_ms) == 0
    assert store.write(audit.prune, now_ms + DAY_MS // 2) == 0, "what is to go is less than a day's"
    assert store.write(audit.prune, now_ms + 5 * DAY_MS) == 5
    assert store.write(audit.prune, now_ms + 5 * DAY_MS + 1) == 0
    found = records(store)
    assert (found[0].seq, found[-1].event, found[-1].facts["through"]) == (6, PRUNED, 5)
    assert held(store).count == 16
    sql(store, "delete from audit_record where id = 6")
    with pytest.raises(Broken, match="^record 6 is missing"):
        held(store)


def test_when_all_of_it_is_old_all_of_it_goes_and_it_goes_on(store):
    for number in range(3):
        make(store, f"a{number}@example.com")
    assert store.write(audit.prune, records(store)[-1].at_ms + 2 * DAY_MS) == 3
    make(store)
    assert [one.seq for one in records(store)] == [4, 5]
    assert held(store).count == 2


def test_writers_at_the_same_time_make_one_chain(store, kind):
    """On PostgreSQL from several connections; SQLite has one writer anyway."""
    stores = [Store(store.database) for _ in range(4)]  # each with a line of its own, as controllers have
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: make(stores[number % 4], f"a{number}@example.com"), range(80)))
    assert held(store).count == 80
    if kind == "postgres":
        store.database.close_idle()


CHILD = """
import sys
from zrokd.store import accounts, audit
from zrokd.store.database import Store
if sys.argv[1] == "postgres":
    from zrokd_plugins.storage_postgres.database import PostgresDatabase
    from zrokd_plugins.storage_postgres.settings import PostgresSettings
    database = PostgresDatabase(PostgresSettings(host=sys.argv[3], database=sys.argv[2], tls="disable"))
else:
    from zrokd_plugins.storage_sqlite import SqliteDatabase
    database = SqliteDatabase(sys.argv[2])
store, number = Store(database), int(sys.argv[4])
def work():
    accounts.add(f"a{number}@example.com", "", 1)
    audit.note("account.created", account=f"a{number}@example.com")
    audit.note("token.created", account=f"a{number}@example.com")
while True:
    store.write(work)
    number += 1
    print(number, flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_no_change_lacks_its_record_after_a_kill(store, kind, request):
    """Killed six times, each at another moment, in the middle of writing as fast as it can."""
    folder = str(request.getfixturevalue("postgres").folder) if kind == "postgres" else ""
    for round_ in range(6):
        command = [sys.executable, "-c", CHILD, kind, str(store.database.database), folder, str(round_ * 100_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            for _ in range(3 + 4 * round_):
                assert child.stdout.readline(), "it writes"
            os.kill(child.pid, signal.SIGKILL)
            child.stdout.read()
        emails = [account.email for account in store.read(accounts.every)]
        assert held(store).count == 2 * len(emails)
        told = [one.account for one in records(store) if one.event == "account.created"]
        assert sorted(told) == sorted(emails)
