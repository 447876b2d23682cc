"""A real controller, killed with SIGKILL at every call of its database and its overlay: both sides are equal again.

Source of the points: enable, share, access, unshare, disable, delete account; before and after each call.
"""

import contextlib
import json
import os
import subprocess
import sys
import time

import gevent
import gevent.pool
import pytest

from tests.killed.world import ADMIN, VERBS, WITHIN_S, LocalSide, Nursery, World
from zrokd.errors import ZrokdError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.blocks_hub("talks to processes by pipes, right here"),
]
MAKING = {"enable", "share public", "share private", "take up", "access"}


@pytest.fixture(scope="module")
def nursery():
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def world(nursery, tmp_path):
    side = LocalSide(tmp_path)
    side.plant()
    made = World(tmp_path, nursery, side)
    made.start()
    yield made
    made.close()


@pytest.fixture
def world_on_postgres(nursery, postgres, tmp_path):
    name = postgres.create()
    side = LocalSide(tmp_path)
    side.plant()
    storage = f"storage: {{use: postgres, host: {postgres.folder}, database: {name}, tls: disable}}"
    made = World(tmp_path, nursery, side, sql=lambda query: postgres.sql(query, database=name), storage=storage)
    made.start()
    yield made
    made.close()


def killed_at_every_call(world, verb, capsys, steps=range(1, 100)):
    """Kill it at each step of the verb in turn; each time everything is equal again, and the verb can be done."""
    deaths = []
    for step in steps:
        if not world.kills(verb, step):
            break
        planned, done = world.heal()
        assert planned == done, (verb, step)
        assert world.differences() == [], (verb, step, world.log())
        with contextlib.suppress(ZrokdError):  # who ends what is gone already is told so
            do_again(world, verb)
        assert world.differences() == [], (verb, step, "after doing it again", world.log())
        deaths.append(len(planned))
    assert len(deaths) >= 3, "reserve, overlay, commit; or leave, overlay, settle"
    with capsys.disabled():
        print(f"\n{verb}: killed at {len(deaths)} calls, {sum(deaths)} things put right", end=" ")


def do_again(world, verb):
    people = world.last
    people.meet()
    result = VERBS[verb](people)
    assert result or verb not in MAKING


@pytest.mark.parametrize("verb", VERBS)
def test_killed_at_every_call_both_sides_are_equal_again(world, verb, capsys):
    killed_at_every_call(world, verb, capsys)


@pytest.mark.postgres
@pytest.mark.parametrize("verb", VERBS)
def test_killed_at_every_call_on_postgres(world_on_postgres, verb, capsys):
    killed_at_every_call(world_on_postgres, verb, capsys)


def retried_with_its_key_at_every_call(world, verb, capsys):
    """Kill it at each step; who asks again with the same key gets what is there, and nothing is there twice."""
    for step in range(1, 100):
        people = world.furnish()
        path, body, listed = KEYED[verb](people)
        before = people.ask("GET", listed).json()
        key = {"Idempotency-Key": f'"{verb} at {step}"'}
        if not world.dies(step, lambda: people.ask("POST", path, body, key)):  # noqa: B023 - called at once
            break
        planned, done = world.heal()
        assert planned == done
        people.meet()
        again = asked_until_it_is_free(people, path, body, key)
        assert again.status_code == 201, (step, again.text, world.log())
        now = people.ask("GET", listed).json()
        ((kind, made),) = ((kind, [one for one in now[kind] if one not in before[kind]]) for kind in now)
        assert len(made) == 1 and again.json()[ANSWERED[kind]] in made[0].values(), (step, again.json(), made)
        assert people.ask("POST", path, body, key).json() == again.json()
        assert world.differences() == [], (step, world.log())
    assert step > 3
    with capsys.disabled():
        print(f"\n{verb}: killed at {step - 1} calls, made once each", end=" ")


def asked_until_it_is_free(people, path, body, key):
    """Where there may be several controllers, it takes a moment until one that was killed is known to be gone."""
    until = time.monotonic() + WITHIN_S
    while (answer := people.ask("POST", path, body, key)).status_code == 409 and time.monotonic() < until:
        gevent.sleep(0.05)
    return answer


ANSWERED = {"environments": "identity", "shares": "shareToken", "accesses": "frontendToken"}
KEYED = {
    "enable": lambda p: ("/enable", {"description": "d", "host": "h"}, "/environments"),
    "share": lambda p: ("/share", p.body(), "/shares"),
    "access": lambda p: ("/access", {"envZId": p.home, "shareToken": p.held}, "/accesses"),
}


@pytest.mark.parametrize("verb", KEYED)
def test_who_asks_again_with_the_same_key_gets_one_thing_however_the_controller_was_killed(world, verb, capsys):
    retried_with_its_key_at_every_call(world, verb, capsys)


@pytest.mark.postgres
@pytest.mark.parametrize("verb", KEYED)
def test_who_asks_again_with_the_same_key_gets_one_thing_on_postgres(world_on_postgres, verb, capsys):
    retried_with_its_key_at_every_call(world_on_postgres, verb, capsys)


def test_five_hundred_orphans_and_as_many_lost_services_are_put_right(world, capsys):
    people, many = world.furnish(), 500
    pool = gevent.pool.Pool(4)
    tokens = [f"lost-{number}" for number in range(many)]
    shares = pool.map(lambda token: people.ann.share(people.draft(people.home, token=token)), tokens)
    assert len(shares) == many
    world.kill()
    world.side.lose(tokens)
    world.side.plant_orphans(f"orphan-{number}" for number in range(many))
    begun = time.monotonic()
    planned, done = world.heal()
    took_s = time.monotonic() - begun
    assert planned == done and len(planned) == 2 * many
    assert world.differences() == []
    with capsys.disabled():
        print(f"\n{2 * many} things put right {took_s:.1f} s after the start", end=" ")
    assert took_s < WITHIN_S


def test_the_command_prints_what_will_be_done(world):
    assert world.kills("share public", 4)
    (world.folder / "hold").touch()
    world.start()
    env = {**os.environ, "ZROKD_ADMIN_TOKEN": ADMIN, "ZROKD_CONTROLLER": world.url}
    command = [sys.executable, "-m", "zrokd", "admin", "reconcile", "--dry-run", "--json"]
    told = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60).stdout
    planned = world.ask("POST", "/zrokd/reconcile?dry_run=1")["actions"]
    assert planned and [json.loads(line) for line in told.splitlines()] == [
        {"action": action, "done": False} for action in planned
    ]
    (world.folder / "hold").unlink()
