"""Store and overlay made equal again, whatever happened at whichever point."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import gevent
import pytest

from tests.postgres.fixtures import only_sqlite
from zrokd.errors import OverlayError, StoreError, Unavailable
from zrokd.model.share import Permission
from zrokd.service.reconcile import Action
from zrokd.store import intents

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("service_kit", HERE / "conftest.py")
kit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kit)


@pytest.fixture
def home(house, ann):
    house.public(frontends=["edge"])
    return house.env(ann)


def repair(house, **how):
    return [str(action) for action in house.reconciler.reconcile(**{"grace_s": 0} | how)]


# -- crash points ---


@pytest.mark.parametrize("verb", list(kit.VERBS))
def test_killed_at_any_step_everything_is_equal_again(tmp_path, verb):
    command = [sys.executable, str(HERE / "crash_child.py"), verb, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    deaths = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(deaths) >= 6, "before and after each of: reserve, provision, commit"
    for death in deaths:
        assert death["planned"] == death["done"], death
        assert death["differences"] == death["second"] == death["after"] == [], death
        if verb in kit.MAKING:
            assert death["again"] in ("", "Conflict" if verb == "share private" else ""), death
        else:
            assert death["again"] in ("", "NotFound", "IndexError", "ValueError"), death


def steps_of(house, verb):
    """Where each step of the verb is, by doing it once."""
    seen = []
    step = house.faults.step

    def record(where):
        seen.append(where)
        step(where)

    house.faults.step = record
    kit.act(house, verb)
    return seen


@pytest.mark.parametrize("verb", list(kit.VERBS))
@pytest.mark.parametrize("stays", [False, True], ids=["fails once", "stays away"])
def test_failed_at_any_step_everything_is_equal_again(furnished, verb, stays):
    count = len(steps_of(furnished("probe"), verb))
    assert count >= 6
    for step in range(1, count + 1):
        house = furnished(f"{verb} {step}")
        before = lists(house)

        def strike(where, house=house):
            house.overlay.away = stays and where.startswith("overlay")
            kit.fail(where)

        house.faults.arm(step, strike)
        failed = False
        try:
            kit.act(house, verb)
        except (OverlayError, StoreError):
            failed = True
        if failed and verb in kit.MAKING:
            assert lists(house) == before, (step, "nothing was kept")
            assert stays or house.differences() == [], step
        house.overlay.away = False
        assert all(": " not in line for line in repair(house)), step
        assert house.differences() == [] and repair(house) == [], step


def lists(house):
    """Everything two people can see."""
    return [
        (house.overviews.of(principal), house.hosts())
        for principal in (house.principal(), house.principal("bob@example.com"))
    ]


# -- both ways ---


def test_when_all_is_well_nothing_is_done(house, ann, home):
    house.share(ann, home)
    calls = list(house.overlay.calls)
    assert repair(house) == []
    assert house.overlay.calls == calls


def test_orphans_on_the_overlay_are_deleted_and_missing_ones_made_again(house, ann, bob, home):
    shares = [house.share(ann, home, private=True, permission=Permission.OPEN) for _ in range(20)]
    access = house.accesses.access(house.env(bob), shares[0].token, bob)
    told = house.overlay.held("shares")[shares[0].token]
    for share in shares[:10]:
        house.overlay.change("shares", share.token, None)
    house.overlay.change("accesses", access.token, None)
    for number in range(20):
        house.overlay.change("shares", f"orphan{number:02}", {"env": "z"})
    planned = repair(house, dry_run=True)
    assert len(planned) == 30 and len(house.differences()) == 2, "a dry run changes nothing"
    assert planned[0] == "delete share orphan00"
    assert {line for line in planned if "create" in line} == {f"create share {share.token}" for share in shares[:10]}
    assert repair(house) == planned
    assert house.differences() == [] and house.overlay.held("shares")[shares[0].token] == told


def begin(house, verb, token, worker):
    return house.store.write(intents.begin, verb, intents.SHARE, token, worker, house.clock.now_ms())


@pytest.fixture
def worker(house):
    """The run that this house is, as intents know it."""
    return house.reconciler._core.worker


def test_our_own_work_that_is_young_is_left_alone(house, ann, home, worker):
    intent = begin(house, intents.CREATE, "tok", worker)
    house.overlay.change("shares", "tok", {"env": home})
    assert repair(house, grace_s=60) == []
    assert house.store.read(intents.holds, intent)
    house.clock.ahead_ms = 61_000
    assert repair(house, grace_s=60) == ["undo share tok"]
    assert house.differences() == []


@only_sqlite
def test_work_of_a_run_before_ours_is_settled_at_once(house, ann, home):
    begin(house, intents.CREATE, "tok", "a run before")
    house.overlay.change("shares", "tok", {"env": home})
    assert repair(house, grace_s=60) == ["undo share tok"]
    assert house.differences() == []


def test_work_of_another_controller_is_its_own_for_a_while(house, ann, home, monkeypatch):
    monkeypatch.setattr(type(house.store), "alone", False)
    begin(house, intents.CREATE, "tok", "another")
    assert repair(house, grace_s=60) == []
    house.clock.ahead_ms = 61_000
    assert repair(house, grace_s=60) == ["undo share tok"]


def test_a_clock_that_goes_back_takes_nothing_from_who_is_at_work(house, ann, home, worker):
    house.clock.ahead_ms = -24 * 3600 * 1000
    intent = begin(house, intents.CREATE, "tok", worker)
    assert repair(house, grace_s=60) == [] and house.store.read(intents.holds, intent)


def test_what_is_being_changed_is_not_made_again_either(house, ann, home, worker):
    share = house.share(ann, home)
    begin(house, intents.REPAIR, share.token, worker)
    house.overlay.change("shares", share.token, None)
    assert repair(house, grace_s=60) == []
    assert repair(house) == [f"undo share {share.token}", f"create share {share.token}"]
    assert house.differences() == []


def test_an_overlay_that_does_not_list_stops_it_and_nothing_is_done(house, ann, home):
    share = house.share(ann, home)
    house.overlay.change("shares", share.token, None)
    house.overlay.away = True
    with pytest.raises(OverlayError):
        repair(house)
    assert house.store.read(intents.subjects, intents.SHARE) == set()


def test_one_failure_is_told_and_the_rest_is_done(house, ann, home):
    for number in range(3):
        house.overlay.change("shares", f"orphan{number}", {"env": "z"})

    def strike(where):
        raise OverlayError("try later")

    house.faults.arm(4, strike)  # prune before and after, claim before and after, then the overlay
    assert repair(house)[0].startswith("delete share orphan0")
    house.faults.arm(None)
    repair(house)
    assert house.differences() == []


def test_a_failure_stands_in_the_action(house):
    house.overlay.change("shares", "orphan", {"env": "z"})
    house.faults.arm(5, kit.fail)
    (action,) = house.reconciler.reconcile(grace_s=0)
    assert action == Action("delete", "share", "orphan", "the overlay is away")
    assert str(action) == "delete share orphan: the overlay is away"
    house.faults.arm(None)
    assert repair(house) == ["finish share orphan"] and house.differences() == []


def test_two_reconcilers_at_once_do_no_harm(house, ann, home, at_once):
    shares = [house.share(ann, home) for _ in range(10)]
    for share in shares[:5]:
        house.overlay.change("shares", share.token, None)
    for number in range(10):
        house.overlay.change("shares", f"orphan{number}", {"env": "z"})
    answers = at_once(lambda _: house.reconciler.reconcile(grace_s=0), range(4))
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    repair(house)
    assert house.differences() == [] and len(house.shares.list(ann)) == 10


def test_reconciling_while_people_share_takes_nothing_from_them(house, ann, home):
    ended = []

    def people(number):
        for _ in range(4):
            share = house.share(ann, home, private=True, token=f"mine-{number}")
            house.shares.unshare(home, share.token, ann)
        ended.append(house.share(ann, home))

    crowd = [gevent.spawn(people, number) for number in range(8)]
    while not all(greenlet.ready() for greenlet in crowd):
        assert [action for action in house.reconciler.reconcile() if action.verb in ("finish", "undo")] == []
        gevent.sleep(0.001)
    failed = [greenlet.exception for greenlet in crowd if greenlet.exception]
    assert not [error for error in failed if not isinstance(error, Unavailable)]
    repair(house)
    live = {share.token for share in house.shares.list(ann)}
    assert live >= {share.token for share in ended} and house.differences() == []


def test_names_of_the_gone_are_forgotten_after_a_week(house, ann, home):
    share = house.share(ann, home)
    known = house.frontends.mappings("edge", "", 0)
    house.shares.unshare(home, share.token, ann)
    repair(house)
    assert not house.frontends.mappings("edge", known.epoch, known.version).full
    house.clock.ahead_ms = 8 * 24 * 3600 * 1000
    repair(house)
    assert house.frontends.mappings("edge", known.epoch, known.version).full


def test_an_action_is_a_sentence():
    assert str(Action("undo", "environment", "x-ann")) == "undo environment x-ann"
