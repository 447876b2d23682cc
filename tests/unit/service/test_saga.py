"""Provision, commit, undo."""

import logging

import pytest

from zrokd.errors import Denied, OverlayError, OverlayTimeout, Unavailable, UnknownService
from zrokd.service.core import Core
from zrokd.service.saga import make, off_overlay, on_overlay, settle
from zrokd.store import intents
from zrokd.store.dialects import WRITER, is_postgres
from zrokd.store.intents import CREATE, SHARE


@pytest.fixture
def core(house):
    return Core(store=house.store, overlay=house.overlay, hooks=house.hooks, clock=house.clock, bell=house.bell)


@pytest.fixture
def intent(core):
    return core.store.write(intents.begin, CREATE, SHARE, "tok", core.worker, 1)


@pytest.fixture
def undone(core):
    """undo(core, intent), and in `.intents` for which it was called."""

    def undo(core, intent):
        undo.intents.append(intent)
        settle(core, intent, lambda: None)

    undo.intents = []
    return undo


def raising(error):
    def function(*_args):
        raise error

    return function


def test_what_commit_gives_comes_back_and_the_intent_is_settled(core, intent, undone):
    made = make(core, intent, provision=lambda: 20, commit=lambda got: got + 1, undo=undone)
    assert made == 21 and undone.intents == []
    assert not core.store.read(intents.holds, intent)


@pytest.mark.parametrize(
    ("provision", "commit", "told"),
    [
        (raising(OverlayTimeout("too slow")), lambda _: 1, OverlayTimeout),
        (raising(OSError("socket")), lambda _: 1, OverlayError),
        (raising(KeyboardInterrupt()), lambda _: 1, KeyboardInterrupt),
        (lambda: 1, raising(Denied("no")), Denied),
        (lambda: 1, lambda _: None, Unavailable),
    ],
)
def test_whatever_goes_wrong_is_undone_and_told(core, intent, undone, provision, commit, told):
    with pytest.raises(told):
        make(core, intent, provision=provision, commit=commit, undo=undone)
    assert undone.intents == [intent]
    assert not core.store.read(intents.holds, intent)


def test_a_failed_commit_leaves_no_half_of_itself(core, intent):
    def commit(_):
        intents.begin(CREATE, SHARE, "half", "w", 1)
        raise Denied("no")

    with pytest.raises(Denied):
        make(core, intent, provision=lambda: 1, commit=commit, undo=lambda *_: None)
    assert core.store.read(intents.find, SHARE, "half") is None
    assert core.store.read(intents.holds, intent), "the reconciler finds it"


def test_who_was_overtaken_does_not_commit(core, intent, undone):
    commits = []
    core.store.write(intents.end, intent)
    with pytest.raises(Unavailable, match="went away while it was made") as caught:
        make(core, intent, provision=lambda: 1, commit=commits.append, undo=undone)
    assert commits == [] and undone.intents == [intent]
    assert caught.value.retry_after_s == 1.0


def test_an_undo_that_fails_is_logged_and_the_first_error_told(core, intent, caplog):
    with caplog.at_level(logging.WARNING), pytest.raises(OverlayTimeout, match="first"):
        make(
            core,
            intent,
            provision=raising(OverlayTimeout("first")),
            commit=lambda _: 1,
            undo=raising(OverlayError("second")),
        )
    assert caplog.messages == ["share tok cannot be undone now, the reconciler will: second"]
    assert core.store.read(intents.holds, intent)


def write_elsewhere(house):
    """Begin a write on a connection of its own; raises when somebody else is in the middle of one."""
    import sqlite3

    if is_postgres(house.database):
        other = house.database.session()
        assert other.execute("select pg_try_advisory_lock(%s)", (WRITER,)).fetchone()[0]
    else:
        other = sqlite3.connect(house.database.database, timeout=0, isolation_level=None)
        other.execute("begin immediate")
        other.execute("rollback")
    other.close()


def test_no_transaction_is_open_while_the_overlay_is_called(house, ann):
    house.public()
    home = house.env(ann)
    seen = []

    def look(where):
        if where.startswith("overlay"):
            write_elsewhere(house)
            seen.append(where)

    for step in range(1, 40):
        house.faults.arm(step, look)
        share = house.share(ann, home)
        house.shares.unshare(home, share.token, ann)
    assert "overlay before" in seen and "overlay after" in seen


def test_settling_twice_forgets_once(core, intent):
    forgotten = []
    for _ in range(2):
        settle(core, intent, lambda: forgotten.append(1))
    assert forgotten == [1]


def test_gone_already_is_fine_only_for_what_takes_away():
    off_overlay(raising(UnknownService("gone")))
    with pytest.raises(UnknownService):
        on_overlay(raising(UnknownService("gone")))
    with pytest.raises(OverlayError, match="the overlay failed: x") as caught:
        off_overlay(raising(ValueError("x")))
    assert isinstance(caught.value.__cause__, ValueError)
