from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from zrokd.config.words import guess, show, wanted, words_for

MAP = dict[str, int]


def _never(value: str) -> str:
    raise ValueError("Never right")


SAID: list[tuple[Any, Any, str, str]] = [
    (int, "two", "'two' is not a whole number", ""),
    (int, 1.5, "1.5 is not a whole number", ""),
    (int, True, "true is not a whole number", ""),
    (int, None, "nothing is not a whole number", ""),
    (float, "x", "'x' is not a number", ""),
    (Annotated[float, Field(allow_inf_nan=False)], float("inf"), "inf is not a finite number", ""),
    (bool, "maybe", "'maybe' is not true or false", ""),
    (str, 12, "12 is not a text", "put it in quotes"),
    (str, False, "false is not a text", "put it in quotes"),
    (str, None, "nothing is not a text", ""),
    (str, {"a": 1}, "a map of keys is not a text", ""),
    (list[int], "x", "'x' is not a list", ""),
    (list[int], {"a": 1}, "a map of keys is not a list", ""),
    (MAP, [1], "a list is not a map of keys", ""),
    (MAP, None, "nothing stands here; write keys below it, or take it away", ""),
    (Annotated[int, Field(gt=0)], 0, "0 is too small: write more than 0", ""),
    (Annotated[int, Field(ge=1)], 0, "0 is too small: write at least 1", ""),
    (Annotated[int, Field(lt=9)], 9, "9 is too large: write less than 9", ""),
    (Annotated[int, Field(le=9)], 10, "10 is too large: write at most 9", ""),
    (Annotated[int, Field(multiple_of=5)], 7, "7 is no multiple of 5", ""),
    (Annotated[str, Field(min_length=2)], "a", "'a' is too short: at least 2 characters", ""),
    (Annotated[str, Field(max_length=2)], "abc", "'abc' is too long: at most 2 characters", ""),
    (Annotated[list[int], Field(min_length=1)], [], "nothing is in it; at least 1 is needed", ""),
    (Annotated[list[int], Field(max_length=1)], [1, 2], "a list with too much in it; at most 1 may stand here", ""),
    (Annotated[str, Field(pattern="^a$")], "b", "'b' does not match the pattern ^a$", ""),
    (Literal["debug", "info"], "inof", "'inof' is not one of 'debug' or 'info'", "did you mean 'info'?"),
    (Literal["debug", "info"], 5, "5 is not one of 'debug' or 'info'", ""),
    (Literal[1], 2, "2 is not 1", ""),
    (Annotated[str, AfterValidator(_never)], "x", "Never right", ""),
]


@pytest.mark.parametrize(("annotation", "value", "message", "hint"), SAID)
def test_each_kind_of_mistake_has_its_words(annotation: Any, value: Any, message: str, hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(annotation).validate_python(value, strict=True)
    (item,) = caught.value.errors(include_url=False)
    assert words_for(item, show(item["input"])) == (message, hint)


def test_kinds_nobody_foresaw_are_told_as_pydantic_says_it() -> None:
    assert words_for({"type": "new_kind", "msg": "Input should be blue"}, "'x'") == ("input should be blue", "")


def test_only_kinds_that_say_nothing_else_want_something() -> None:
    assert wanted("int_type") == "a whole number"
    assert wanted("value_error") == ""


SHOWN: list[tuple[Any, str]] = [
    ("a", "'a'"), (5, "5"), (True, "true"), (False, "false"), (None, "nothing"), ([], "a list"), ({}, "a map of keys"),
    (0.5, "0.5"), ("x" * 300, "'" + "x" * 79 + "..."), (1, "1"), (0, "0"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), SHOWN)
def test_values_are_shown_shortly(value: Any, text: str) -> None:
    assert show(value) == text


def test_a_guess_is_made_only_when_it_is_close() -> None:
    assert guess("timeot", ["timeout", "listen"]) == "did you mean 'timeout'?"
    assert guess("colour", ["timeout", "listen"]) == ""
    assert guess("x" * 100_000, ["x" * 64]) == f"did you mean {'x' * 64!r}?"
