"""How shares stand, in sentences."""

import pytest

from zrokd.cli import standing
from zrokd.model.bind import Reach, Standing

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (200_000, "2 days")],
)
def test_a_time_is_in_the_largest_unit_that_says_enough(seconds, text):
    assert standing.span(seconds) == text


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "not known whether it is reached: no backend tells"),
        (
            {"reach": Reach.BOUND, "since_ms": 999_940_000, "proven_at_ms": 999_997_000, "ends": 2},
            "bound for 60 s at 2 ends, dialled 3 s ago",
        ),
        ({"reach": Reach.BOUND, "since_ms": 999_940_000, "ends": 1}, "bound for 60 s at 1 end"),
        (
            {"reach": Reach.BROKEN, "since_ms": 999_700_000, "why": "the router is away"},
            "broken for 5 min: the router is away",
        ),
    ],
)
def test_what_the_controller_knows(facts, said):
    assert standing.sentence(Standing(share_token="t", env_z_id="z", **facts), NOW) == said


def test_what_backends_of_this_host_tell():
    shares = [
        {"share": "app", "state": "bound", "why": "", "since": NOW - 9, "proven_at": NOW - 2, "ends": 1},
        {"share": "docs", "state": "broken", "why": "gone", "since": NOW - 5, "proven_at": None, "ends": 0},
    ]
    backends = [{"process": 7, "at": NOW - 1, "shares": shares}, {"process": 8, "at": NOW - 60, "shares": []}]
    assert list(standing.of_backends(backends, NOW)) == [
        "share app             bound for 9 s at 1 end, dialled 2 s ago",
        "share docs            broken for 5 s: gone",
        "process 8 has said nothing for 60 s; what follows is old",
    ]
