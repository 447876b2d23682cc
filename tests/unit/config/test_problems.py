from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from zrokd.config.problems import MOST, fields_at, hide, paths_of, problems_of
from zrokd.config.tree import Mark, Origin, Tree
from zrokd.contracts import AddressSetting, SecretSetting, Settings, slot_use


class Leaf(Settings):
    size: int | str | None = None
    listen: AddressSetting | None = None


class Root(Settings):
    leaf: Leaf = Leaf()
    leaves: list[Leaf] = Field(default=[])
    by_name: dict[str, Leaf] = Field(default={})
    token: SecretSetting | None = None
    needed: int
    gate: slot_use("gate") | None = None


def told(data: Any, tree: Tree | None = None, base: tuple[str | int, ...] = ()) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        Root.model_validate(data)
    found = problems_of(caught.value, Root, data, base, tree or Tree())
    return [(problem.path, problem.message) for problem in found]


PATHS: dict[str, tuple[dict[str, Any], str]] = {
    "a field": ({"needed": "x"}, "needed"),
    "a missing field": ({}, "needed"),
    "a union": ({"needed": 1, "leaf": {"size": []}}, "leaf.size"),
    "a validated union": ({"needed": 1, "leaf": {"listen": "x"}}, "leaf.listen"),
    "an item": ({"needed": 1, "leaves": [{}, {"size": []}]}, "leaves[1].size"),
    "an unknown key of an item": ({"needed": 1, "leaves": [{}, {"sise": 1}]}, "leaves[1].sise"),
    "a map's value": ({"needed": 1, "by_name": {"int": {"size": []}}}, "by_name.int.size"),
    "a whole model": ({"needed": 1, "leaf": 5}, "leaf"),
    "a secret": ({"needed": 1, "token": 5}, "token"),
    "a component": ({"needed": 1, "gate": {"users": []}}, "gate.use"),
}


@pytest.mark.parametrize("case", PATHS)
def test_paths_are_those_of_the_file_not_of_the_validators(case: str) -> None:
    data, path = PATHS[case]
    assert [found for found, _ in told(data)] == [path]


def test_paths_begin_where_the_model_stands() -> None:
    assert told({"needed": "x"}, base=("roles", "frontend")) == [("roles.frontend.needed", "'x' is not a whole number")]


def test_a_value_of_no_type_of_a_union_is_told_once() -> None:
    assert told({"needed": 1, "leaf": {"size": []}}) == [("leaf.size", "a list is not a whole number or a text")]


def test_a_broken_value_is_not_told_again() -> None:
    tree = Tree(broken={("leaf", "size")})
    assert told({"needed": "x", "leaf": {"size": []}}, tree) == [("needed", "'x' is not a whole number")]


def test_a_secret_is_not_in_the_message_whatever_its_type() -> None:
    for value in (123456789, ["s3cret"], {"a": "s3cret"}, True):
        ((_, message),) = told({"needed": 1, "token": value})
        assert message.startswith("write a text, or better a reference")


def test_what_a_reference_stands_for_is_never_told() -> None:
    tree = Tree(origins={("leaf", "listen"): Origin("!file t", "s3cret-text"), ("needed",): Origin("!env N", "s3cret")})
    (listen, needed) = told({"needed": "s3cret", "leaf": {"listen": "s3cret-text"}}, tree)
    assert listen[1].startswith("the value of !file t is not an address; write it like 127.0.0.1:8080")
    assert needed[1] == "the value of !env N is not a whole number"


def test_what_came_from_a_flag_may_be_told() -> None:
    tree = Tree(origins={("needed",): Origin("", "two")}, values={("needed",): Mark("--set needed")})
    assert told({"needed": "two"}, tree) == [("needed", "'two' is not a whole number")]


HIDDEN = {
    "in quotes": ("'s3cret' is not right", "the value of !env X is not right"),
    "without": ("s3cret is not right", "the value of !env X is not right"),
    "twice": ("'s3cret' or s3cret", "the value of !env X or the value of !env X"),
    "a part of it": ("nobody is called s3cre", "nobody is called s3cre"),
    "none of it": ("not right", "not right"),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_texts_of_references_are_taken_out_of_messages(case: str) -> None:
    message, expected = HIDDEN[case]
    assert hide(message, Origin("!env X", "s3cret")) == expected


def test_a_telling_part_takes_the_whole_message_with_it() -> None:
    origin = Origin("!file users", "ann:correct horse")
    assert hide("'correct horse' is no hash", origin) == "the value of !file users does not fit here"


def test_short_texts_do_not_tear_messages_apart() -> None:
    assert hide("'a' is not an address", Origin("!env X", "a")) == "the value of !env X is not an address"
    assert hide("nothing at all", Origin("!env X", "")) == "nothing at all"


@given(st.text(min_size=6, max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_message_holds_a_long_secret(secret: str, before: str, after: str) -> None:
    shown = hide(before + secret + after, Origin("!env X", secret))
    assert secret not in shown.replace("the value of !env X", "").replace(" does not fit here", "")


def test_thousands_of_mistakes_are_not_all_explained() -> None:
    data = {"needed": 1, **{f"k{number}": number for number in range(5000)}}
    assert len(told(data)) == MOST


def test_places_alone_can_be_asked_for() -> None:
    data = {"needed": "x", "leaf": {"size": []}}
    with pytest.raises(ValidationError) as caught:
        Root.model_validate(data)
    assert set(paths_of(caught.value, data)) == {("needed",), ("leaf", "size")}


FIELDS: dict[tuple[str | int, ...], list[str]] = {
    (): list(Root.model_fields),
    ("leaf",): ["size", "listen"],
    ("leaves", 3): ["size", "listen"],
    ("by_name", "x"): ["size", "listen"],
    ("needed",): [],
    ("gate",): [],
    ("nowhere", "x"): [],
    ("leaf", "size", "x"): [],
}


@pytest.mark.parametrize("path", FIELDS)
def test_the_keys_that_may_stand_at_a_place_are_known(path: tuple[str | int, ...]) -> None:
    assert fields_at(Root, path) == FIELDS[path]
