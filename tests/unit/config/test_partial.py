from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field, model_validator

from zrokd.config.partial import ask, broken_rules, partial
from zrokd.config.tree import KeyPath
from zrokd.contracts import Settings, slot_use


class Item(Settings):
    low: int = 0
    high: int = 9
    note: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> Item:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Whole(Settings):
    names: list[str] = Field(default=[])
    item: Item | None = None
    items: list[Item] = Field(default=[])
    by_name: dict[str, Item] = Field(default={})
    gate: slot_use("gate") | None = None
    first: str = ""

    @model_validator(mode="after")
    def _known(self) -> Whole:
        if self.first and self.first not in self.names and self.first not in self.by_name:
            raise ValueError("first is unknown")
        return self


def test_right_fields_and_defaults_are_there_and_wrong_ones_are_not() -> None:
    kept = partial(Item, {"low": 3, "high": "x", "nte": ""}, [("high",), ("nte",)])
    assert (kept.low, kept.note, hasattr(kept, "high")) == (3, "", False)


KEPT: dict[str, tuple[dict[str, Any], KeyPath, str]] = {
    "a model inside": ({"item": {"low": "x"}}, ("item", "low"), "item"),
    "a list of models": ({"items": [{}, {"low": "x"}]}, ("items", 1, "low"), "items"),
    "a map of models": ({"by_name": {"a": {"low": "x"}}}, ("by_name", "a", "low"), "by_name"),
    "a model of which the whole is wrong": ({"item": {"low": 10}}, ("item",), "item"),
}
LOST: dict[str, tuple[dict[str, Any], KeyPath, str]] = {
    "a list of texts": ({"names": ["a", 5]}, ("names", 1), "names"),
    "a list with something that is no model": ({"items": [{}, 5]}, ("items", 1), "items"),
    "a map with something that is no model": ({"by_name": {"a": 5}}, ("by_name", "a"), "by_name"),
    "a text where a model should be": ({"item": "x"}, ("item",), "item"),
    "a component": ({"gate": 5}, ("gate",), "gate"),
}


@pytest.mark.parametrize(("data", "wrong", "name"), KEPT.values(), ids=KEPT)
def test_what_holds_settings_is_kept_with_what_is_right_of_them(
    data: dict[str, Any], wrong: KeyPath, name: str
) -> None:
    assert hasattr(partial(Whole, data, [wrong]), name)


@pytest.mark.parametrize(("data", "wrong", "name"), LOST.values(), ids=LOST)
def test_what_holds_a_wrong_value_is_not(data: dict[str, Any], wrong: KeyPath, name: str) -> None:
    assert not hasattr(partial(Whole, data, [wrong]), name)


RULES: dict[str, tuple[dict[str, Any], KeyPath, list[tuple[KeyPath, str]]]] = {
    "one that asks for right values": ({"low": 10, "note": 5}, ("note",), [((), "low is above high")]),
    "one that asks for a wrong value": ({"low": 10, "high": "x"}, ("high",), []),
    "one that is kept": ({"low": 1, "note": 5}, ("note",), []),
}


@pytest.mark.parametrize(("data", "wrong", "expected"), RULES.values(), ids=RULES)
def test_a_rule_is_asked_when_all_that_it_asks_for_is_there(
    data: dict[str, Any], wrong: KeyPath, expected: list[tuple[KeyPath, str]]
) -> None:
    assert _told(Item, data, wrong) == expected


INNER: dict[str, tuple[dict[str, Any], KeyPath, list[tuple[KeyPath, str]]]] = {
    "of an inner model": (
        {"items": [{}, {"low": 10, "note": 5}]},
        ("items", 1, "note"),
        [(("items", 1), "low is above high")],
    ),
    "of the outer one, about what is right": ({"first": "b", "item": 5}, ("item",), [((), "first is unknown")]),
    "of the outer one, about names of which one is wrong": ({"first": "b", "by_name": {"a": 5}}, ("by_name", "a"), []),
    "of the outer one, about a name whose value is wrong": (
        {"first": "a", "by_name": {"a": {"note": 5}}},
        ("by_name", "a", "note"),
        [],
    ),
}


@pytest.mark.parametrize(("data", "wrong", "expected"), INNER.values(), ids=INNER)
def test_rules_of_every_level_are_asked(
    data: dict[str, Any], wrong: KeyPath, expected: list[tuple[KeyPath, str]]
) -> None:
    assert _told(Whole, data, wrong) == expected


def _told(model: type[Settings], data: dict[str, Any], wrong: KeyPath) -> list[tuple[KeyPath, str]]:
    error = broken_rules(partial(model, data, [wrong]))
    return [(item["loc"], str(item["ctx"]["error"])) for item in error.errors()] if error else []


def test_what_a_rule_says_is_kept_and_what_it_misses_is_nothing() -> None:
    assert ask(lambda: "a sentence") == "a sentence"
    assert ask(lambda: Item.model_construct().missing) is None
