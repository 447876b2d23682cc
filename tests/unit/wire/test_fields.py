import contextlib
import enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import Invalid
from zrokd.wire.fields import NotOneOf, choice, flag, items, number, text, texts


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("document", "expected"), [({"a": "x"}, "x"), ({}, ""), ({"a": None}, ""), ({"a": ""}, ""), ({"a": "né"}, "né")]
)
def test_a_text_is_read(document, expected):
    assert text(document, "a") == expected


@pytest.mark.parametrize("value", [1, True, [], {}, 1.5, "x" * 4097, "a\0b", "\ud800", "a\udfffb"])
def test_what_is_no_text_is_named_by_its_field(value):
    with pytest.raises(Invalid, match="^hostName "):
        text({"hostName": value}, "hostName")


@pytest.mark.parametrize("document", [{}, {"a": None}, {"a": ""}])
def test_a_required_text_must_be_there(document):
    with pytest.raises(Invalid, match="a is missing"):
        text(document, "a", required=True)


@pytest.mark.parametrize(
    ("document", "expected"), [({"a": True}, True), ({"a": False}, False), ({}, False), ({"a": None}, False)]
)
def test_a_flag_is_read(document, expected):
    assert flag(document, "a") is expected


@pytest.mark.parametrize("value", [0, 1, "true", [], {}])
def test_what_is_no_flag_is_refused(value):
    with pytest.raises(Invalid, match="a must be true or false"):
        flag({"a": value}, "a")


@pytest.mark.parametrize(("document", "expected"), [({}, ()), ({"a": None}, ()), ({"a": ["x", "y"]}, ("x", "y"))])
def test_texts_are_read(document, expected):
    assert texts(document, "a") == expected


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("x", "a must be a list"),
        ({"x": "y"}, "a must be a list"),
        (["x"] * 101, "at most 100"),
        (["x", 1], r"a\[1\] must be a text"),
        ([""], r"a\[0\] is missing"),
        ([None], r"a\[0\] is missing"),
    ],
)
def test_wrong_lists_are_told_with_the_place(value, sentence):
    with pytest.raises(Invalid, match=sentence):
        texts({"a": value}, "a")


def test_each_item_is_read_with_its_place():
    assert items({"a": [7, 8]}, "a", lambda value, place: (place, value)) == (("a[0]", 7), ("a[1]", 8))


def test_a_choice_is_a_member():
    assert choice({"a": "blue"}, "a", Colour) is Colour.BLUE


@pytest.mark.parametrize("document", [{}, {"a": None}, {"a": ""}])
def test_a_choice_may_have_a_default(document):
    assert choice(document, "a", Colour, Colour.RED) is Colour.RED
    with pytest.raises(Invalid, match="a is missing"):
        choice(document, "a", Colour)


@pytest.mark.parametrize("value", ["green", "RED", " red"])
def test_a_value_that_is_no_member_is_told_apart_from_a_wrong_type(value):
    with pytest.raises(NotOneOf, match="a must be one of red, blue"):
        choice({"a": value}, "a", Colour)
    with pytest.raises(Invalid, match="a must be a text"):
        choice({"a": 1}, "a", Colour)


@pytest.mark.parametrize(
    ("query", "expected"), [({"n": "7"}, 7), ({}, 0), ({"n": "0.5"}, 0.5), ({"n": "99999"}, 30), ({"n": "0"}, 0)]
)
def test_a_number_is_read_and_cut(query, expected):
    assert number(query, "n", highest=30) == expected


@pytest.mark.parametrize("value", ["", "-1", "1e9", "nan", "inf", "0x10", " 1", "1_000", "٣", "9" * 19])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(NotOneOf, match="n must be a number"):
        number({"n": value}, "n", highest=30)


@given(st.text(max_size=30))
def test_any_number_is_a_number_within_bounds_or_refused(value):
    with contextlib.suppress(Invalid):
        assert 0 <= number({"n": value}, "n", highest=30) <= 30
