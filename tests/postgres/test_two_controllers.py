"""Two controllers on one database: both serve, one sweeps, and either may be killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import gevent
import pytest
import requests

from tests.postgres.controllers import ADMIN, ANN, BOB, EDGE, ControllerProcess
from zrokd.errors import Conflict, LimitReached, Unavailable
from zrokd.model.limits import UsageSample
from zrokd.model.share import NameSelection, Permission, ShareDraft, ShareMode

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def controllers(postgres, tmp_path):
    """controllers(shares=...): two running controllers on a new database."""
    made = []

    def start(server=postgres, **options):
        database = server.create()
        made.extend(ControllerProcess(tmp_path, name, server, database, **options) for name in ("one", "two"))
        for each in made:
            each.start(wait=False)
        for each in made:
            each.port = int(each.told(r"the API answers on http://127\.0\.0\.1:(\d+)"))
        return made

    yield start
    for each in made:
        each.close()


def draft(env, *names, private=False, **changes):
    selections = tuple(NameSelection(namespace="public", name=name) for name in names)
    mode = ShareMode.PRIVATE if private else ShareMode.PUBLIC
    values = {"env_z_id": env, "share_mode": mode, "mode": "proxy", "target": "http://127.0.0.1:1"}
    return ShareDraft(**values | {"selections": selections} | changes)


def outcomes(functions):
    """What each gives or raises, all at the same time."""

    def one(function):
        try:
            return function()
        except Exception as error:
            return error

    running = [gevent.spawn(one, function) for function in functions]
    gevent.joinall(running, timeout=60)
    return [each.value for each in running]


def eventually(check, within_s=10.0):
    until = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < until, "it never came true"
        gevent.sleep(0.02)
    return found


def hosts(client):
    return {mapping.host for mapping in client.mappings("", 0, 0).mappings}


def test_both_start_at_once_on_an_empty_database_both_serve_and_one_leads(controllers):
    one, two = controllers()
    home = one.client().enable("desk", "linux")
    token, (host,) = two.client().share(draft(home.z_id))
    assert one.client().share_detail(token)["shareToken"] == token
    assert host in hosts(one.client(EDGE)) and host in hosts(two.client(EDGE))
    assert [one.leads, two.leads].count(True) == 1


def test_a_name_made_at_one_reaches_those_who_wait_at_the_other_within_a_second(controllers, capsys):
    one, two = controllers()
    home, seconds = one.client().enable("desk", "linux"), []
    edge = two.client(EDGE)
    known = edge.mappings("", 0, 0)
    for _ in range(8):
        waiting = gevent.spawn(edge.mappings, known.epoch, known.version, 20)
        gevent.sleep(0.3)
        begun = time.monotonic()
        token, _ = one.client().share(draft(home.z_id))
        known = waiting.get(timeout=20)
        while token not in {mapping.token for mapping in known.mappings}:
            known = edge.mappings(known.epoch, known.version, 20)
        seconds.append(time.monotonic() - begun)
    with capsys.disabled():
        print(f"\na name at the other controller's frontends after {', '.join(f'{s:.2f}' for s in seconds)} s", end=" ")
    assert max(seconds) < 1


def test_of_a_hundred_creates_at_limit_minus_one_through_both_one_succeeds(controllers):
    limit = 4
    pair = controllers(shares=limit)
    home = pair[0].client().enable("desk", "linux")
    for _ in range(limit - 1):
        pair[0].client().share(draft(home.z_id))
    clients = [pair[number % 2].client() for number in range(100)]
    found = outcomes([lambda client=client: persistently(client.share, draft(home.z_id)) for client in clients])
    assert sum(isinstance(each, tuple) for each in found) == 1
    assert {type(each) for each in found if not isinstance(each, tuple)} <= {LimitReached, Conflict}


def test_the_changes_of_both_make_one_audit_trail(controllers):
    pair = controllers()
    homes = [each.client().enable("desk", "linux") for each in pair]
    shares = [lambda place=number % 2: pair[place].client().share(draft(homes[place].z_id)) for number in range(60)]
    made = [one for one in outcomes(shares) if isinstance(one, tuple)]
    env = {**os.environ, "ZROKD_ADMIN_TOKEN": ADMIN, "ZROKD_CONTROLLER": f"http://127.0.0.1:{pair[1].port}"}
    command = [sys.executable, "-m", "zrokd", "admin", "audit", "--verify"]
    verified = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert re.match(r"\d+ records hold; ", verified.stdout), verified.stderr
    assert int(verified.stdout.split()[0]) >= len(made) + len(homes) and len(made) > 20


def test_bytes_are_limited_by_the_leader_alone_and_known_at_both(controllers, tmp_path):
    pair = controllers()
    leader, other = sorted(pair, key=lambda each: not each.leads)
    home = other.client().enable("desk", "linux")
    token, _ = other.client().share(draft(home.z_id, private=True, permission=Permission.OPEN))
    public, _ = other.client().share(draft(home.z_id, selections=(NameSelection(namespace="public"),)))
    used = UsageSample(share_token=public, rx_bytes=1000, tx_bytes=24, at_ms=0)
    other.client(EDGE).report_usage("edge-1", "one", [used])
    for each in pair:
        eventually(lambda each=each: [m.limited for m in each.client(EDGE).mappings("", 0, 0).mappings] == [True])
        assert each.client().share_detail(token)["limited"]
    with pytest.raises(Conflict, match="used up"):
        other.client(BOB).access(other.client(BOB).enable("far", "linux").z_id, token, "", "")
    eventually(lambda: list(tmp_path.glob("mail-*/*.eml")))
    leader.kill()
    eventually(lambda: other.leads)
    other.client(EDGE).report_usage("edge-1", "two", [used])
    eventually(lambda: other.client().overview()["accountLimited"])
    assert [path.parent.name for path in tmp_path.glob("mail-*/*.eml")] == [f"mail-{leader.name}"]


def persistently(function, *args):
    """As a client that heeds Retry-After."""
    for _ in range(10):
        try:
            return function(*args)
        except Unavailable as error:
            gevent.sleep(error.retry_after_s)
    raise AssertionError("ten tries")


def test_a_name_that_many_want_through_both_is_given_once(controllers):
    pair = controllers()
    clients = [each.client(token) for each in pair for token in ("anns-own-token", BOB) for _ in range(10)]
    found = outcomes([lambda client=client: persistently(client.create_name, "public", "blog") for client in clients])
    assert found.count(None) == 1
    assert {type(each) for each in found if each is not None} == {Conflict}


@pytest.mark.parametrize("victim", ["the leader", "the other"])
def test_when_one_is_killed_its_clients_need_one_retry_at_the_other(controllers, victim):
    pair = controllers()
    leader, follower = sorted(pair, key=lambda each: not each.leads)
    dying, living = (leader, follower) if victim == "the leader" else (follower, leader)
    home = dying.client().enable("desk", "linux")
    dying.client().create_name("public", "blog")
    before, _ = dying.client().share(draft(home.z_id, "blog"))
    dying.kill()

    begun, client = time.monotonic(), living.client()
    assert client.share(draft(home.z_id, "blog"))[0] == before, "it is taken up again"
    client.unshare(home.z_id, before)
    client.share(draft(home.z_id, "blog"))
    assert time.monotonic() - begun < 5
    eventually(lambda: living.leads)
    dying.start()
    assert not dying.leads
    assert "blog.share.example.com" in hosts(dying.client(EDGE))


def test_what_a_killed_controller_was_at_is_free_within_seconds(controllers, postgres):
    """An intent of a run that is no more is a lock on a share; the leader finds that nobody is at it."""
    one, two = controllers()
    home = one.client().enable("desk", "linux")
    token, _ = one.client().share(draft(home.z_id))
    begin = "insert into intent (verb, kind, subject, payload, worker, started_at_ms) values (%s, %s, %s, %s, %s, %s)"
    now_ms = int(time.time() * 1000)
    postgres.sql(begin, "repair", "share", token, "{}", "a-run-that-died", now_ms, database=one.database)
    with pytest.raises(Unavailable, match="being changed right now"):
        two.client().unshare(home.z_id, token)
    begun = time.monotonic()
    persistently(two.client().unshare, home.z_id, token)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("how", ["the other one", "after a restart"])
def test_a_request_with_a_key_is_carried_out_once_whoever_is_asked_again(controllers, how):
    one, two = controllers()
    headers = {"X-Token": ANN, "Content-Type": "application/zrok.v1+json", "Idempotency-Key": '"the-one-key"'}
    answers = []
    for number in range(2):
        answer = requests.post(
            f"http://127.0.0.1:{one.port}/api/v2/enable", headers=headers, json={"host": "h"}, timeout=10
        )
        answers.append((answer.status_code, answer.text))
        if number == 0 and how == "the other one":
            one.kill()
            one = two
        elif number == 0:
            one.kill()
            one.start()
    assert answers[0] == answers[1] and answers[0][0] == 201
    assert len(two.client().environments()) == 1


def test_a_request_that_a_killed_controller_did_not_answer_may_be_made_anew_within_seconds(controllers, postgres):
    one, two = controllers()
    headers = {"X-Token": ANN, "Content-Type": "application/zrok.v1+json", "Idempotency-Key": '"the-one-key"'}
    url = f"http://127.0.0.1:{two.port}/api/v2/enable"

    def asked():
        return requests.post(url, headers=headers, json={"host": "h"}, timeout=10).status_code

    assert asked() == 201
    undone = "update receipt set answer = '', worker = 'a-run-that-died'"  # as if it had ended before its answer
    postgres.sql(undone, database=one.database)
    begun = time.monotonic()
    eventually(lambda: asked() == 201)
    assert time.monotonic() - begun < 5


# -- the database goes away ---


def test_while_the_database_is_away_both_answer_503_and_both_are_back_with_it(controllers, own_postgres, capsys):
    pair = controllers(own_postgres)
    home = pair[0].client().enable("desk", "linux")
    own_postgres.stop()
    for each in pair:
        begun = time.monotonic()
        with pytest.raises(Unavailable, match="the database does not answer") as caught:
            each.client().share(draft(home.z_id))
        assert time.monotonic() - begun < 2 and caught.value.retry_after_s >= 1
    own_postgres.start()
    begun = time.monotonic()
    for each in pair:
        persistently_soon(each.client().share, draft(home.z_id))
    back_s = time.monotonic() - begun
    eventually(lambda: [each.leads for each in pair].count(True) == 1, within_s=10)
    with capsys.disabled():
        print(f"\nboth write again {back_s:.2f} s after the database is back", end=" ")
    assert back_s < 5


def persistently_soon(function, *args):
    return eventually(lambda: (found := outcomes([lambda: function(*args)])[0]) and
                      not isinstance(found, Unavailable) and found)  # fmt: skip


def test_a_controller_whose_session_is_cut_hands_over_and_comes_back(controllers, postgres):
    pair = controllers()
    leader, other = sorted(pair, key=lambda each: not each.leads)
    cut = (
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objsubid = 1"
        " and database = (select oid from pg_database where datname = %s)"
    )
    postgres.sql(cut, leader.database)
    eventually(lambda: [each.leads for each in pair].count(True) == 1 and "does not lead any more" in leader.log())
    assert leader.client().version()
    assert other.client().overview() == leader.client().overview()


def test_it_ends_as_told_and_leaves_no_session(controllers, postgres):
    one, two = controllers()
    assert (one.stop(), two.stop()) == (0, 0)
    count = "select count(*) from pg_stat_activity where datname = %s"
    eventually(lambda: postgres.sql(count, one.database) == [(0,)])
