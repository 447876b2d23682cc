from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.config.parse import parse
from zrokd.config.scalars import convert, plain

PLAIN: dict[str, Any] = {
    "12": 12, "-3": -3, "+7": 7, "1_000": 1000, "0x1f": 31, "0b11": 3, "0660": 432, "0": 0,
    "1.5": 1.5, "-1.5e+3": -1500.0, ".5": 0.5, ".inf": math.inf, "-.INF": -math.inf,
    "true": True, "Yes": True, "ON": True, "false": False, "no": False, "Off": False,
    "~": None, "null": None, "": None,
    "30s": "30s", "64KiB": "64KiB", "127.0.0.1:8080": "127.0.0.1:8080", "y": "y", "08": "08", "1e3": "1e3",
    "12:30": "12:30", "1:30.5": "1:30.5", "190:20:30": "190:20:30", "2020-01-01": "2020-01-01", "=": "=", "<<": "<<",
}  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_text_has_one_value_here_and_in_a_file(text: str) -> None:
    value, expected = plain(text), PLAIN[text]
    assert (type(value), value) == (type(expected), expected)
    assert parse(f"a: {text}\n".encode(), "f").data == {"a": expected}


def test_not_a_number_is_one() -> None:
    assert math.isnan(plain(".nan"))


@pytest.mark.parametrize("tag", ["str", "timestamp", "value"])
def test_texts_stay_as_they_are(tag: str) -> None:
    assert convert(f"tag:yaml.org,2002:{tag}", " 12 ") == " 12 "


def test_an_exclamation_mark_alone_makes_a_text() -> None:
    assert convert("!", "12") == "12"


@pytest.mark.parametrize("tag", ["!env", "tag:yaml.org,2002:binary", "tag:yaml.org,2002:python/name:os.system", "x"])
def test_other_tags_are_not_known(tag: str) -> None:
    with pytest.raises(KeyError):
        convert(tag, "x")


@pytest.mark.parametrize(
    ("tag", "text"), [("int", "ten"), ("int", "9" * 5000), ("float", "1.2.3"), ("int", "0x"), ("int", "0x" + "f" * 99)]
)
def test_a_tag_that_lies_is_an_error(tag: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        convert(f"tag:yaml.org,2002:{tag}", text)


@given(st.text())
def test_every_text_has_a_plain_value(text: str) -> None:
    assert isinstance(plain(text), str | int | float | None)
