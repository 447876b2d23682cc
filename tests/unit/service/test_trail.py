import logging

import pytest

from zrokd.errors import Denied, Invalid, NotFound, OverlayError, StoreError, TooMany, Unavailable
from zrokd.model.audit import Actor, acting


def told(house):
    return [(one.event, one.outcome) for one in house.trail.page(0, 100).records]


def test_what_ends_in_a_refusal_is_told_and_what_may_be_tried_again_is_not(house):
    before = len(told(house))
    for error in (Denied("x"), NotFound("x"), OverlayError("x")):
        house.trail.refuse("POST /enable", error)
    for error in (Invalid("x"), StoreError("x"), Unavailable("x"), TooMany("x", 1)):
        house.trail.refuse("POST /enable", error)
    assert [outcome for _, outcome in told(house)[before:]] == ["refused", "refused", "failed"]


def test_each_actor_has_room_of_its_own(house):
    before = len(told(house))
    for name in ("ann@example.com", "bob@example.com"):
        with acting(Actor(name=name)):
            for _ in range(40):
                house.trail.refuse("POST /enable", NotFound("no such environment"))
    assert len(told(house)) == before + 60


def test_a_refusal_stays_one_while_the_database_is_away(house, caplog, monkeypatch):
    def away(*_args, **_kwargs):
        raise StoreError("the database does not answer; try again")

    monkeypatch.setattr(house.store, "write", away)
    with caplog.at_level(logging.WARNING):
        house.trail.refuse("POST /enable", NotFound("x"))
    assert "the audit trail misses that controller was refused POST /enable" in caplog.text


def test_what_is_undone_leaves_no_record(house, ann, strike):
    env = house.env(ann)
    before = told(house)
    house.public()
    after_namespace = told(house)
    house.faults.arm(3, strike)
    with pytest.raises((OverlayError, StoreError)):
        house.share(ann, env)
    assert house.faults.struck
    assert before != after_namespace == told(house)
