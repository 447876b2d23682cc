"""What backends tell, both ways, and what is refused in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import Invalid, Unavailable
from zrokd.model.bind import Bind, BindReport, Reach, Standing
from zrokd.wire import binds as wire
from zrokd.wire import client

_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_tokens = _texts.filter(bool)
_ages = st.integers(0, 10**9).map(lambda ms: min(ms / 1000, 10**8))
_binds = st.builds(
    Bind,
    share_token=_tokens,
    ends=st.integers(0, 9),
    why=_texts,
    since_s=_ages,
    proven_s=st.none() | _ages,
)
_reports = st.builds(
    BindReport,
    env_z_id=_tokens,
    backend=_tokens,
    binds=st.lists(_binds, max_size=4).map(tuple),
    gone=st.lists(_tokens, max_size=4).map(tuple),
    whole=st.booleans(),
    proven_s=st.none() | _ages,
)


@given(_reports)
def test_what_is_told_arrives(report):
    assert wire.report_from_wire(json.loads(json.dumps(wire.report_to_wire(report)))) == report


@pytest.mark.parametrize("reach", Reach)
def test_what_is_known_of_a_share_arrives(reach):
    one = Standing(share_token="t", env_z_id="z", reach=reach, why="w", since_ms=1, proven_at_ms=2, ends=3)
    assert client.standings_from_wire(wire.standings_to_wire([one])) == (one,)


def test_a_state_that_a_newer_controller_knows_is_not_known():
    (found,) = client.standings_from_wire([{"shareToken": "t", "state": "limping"}])
    assert found.reach is Reach.UNKNOWN


BIND = {"shareToken": "t"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"envZId": ""}, "envZId is missing"),
        ({"backend": None}, "backend is missing"),
        ({"whole": 1}, "whole must be true or false"),
        ({"provenS": -1}, "provenS must be an age"),
        ({"provenS": "now"}, "provenS must be a number"),
        ({"binds": [BIND] * 1001}, "binds must be a list of at most 1000"),
        ({"gone": [""]}, r"gone\[0\] is missing"),
        ({"binds": ["t"]}, r"binds\[0\] must have"),
        ({"binds": [{}]}, "shareToken is missing"),
        ({"binds": [BIND | {"ends": -1}]}, r"binds\[0\]: ends counts"),
        ({"binds": [BIND | {"sinceS": 1e300}]}, "sinceS must be"),
        ({"binds": [BIND | {"why": 3}]}, "why must be a text"),
    ],
)
def test_what_is_wrong_is_named(wrong, said):
    with pytest.raises(Invalid, match=said):
        wire.report_from_wire({"envZId": "z", "backend": "b", **wrong})


@pytest.mark.parametrize("document", [None, {}, {"again": "no"}])
def test_an_answer_that_makes_no_sense_is_told(document):
    with pytest.raises(Unavailable):
        client.again_from_wire(document)
