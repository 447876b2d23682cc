from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field

from zrokd.config.parse import parse
from zrokd.config.tree import Mark, Tree
from zrokd.config.uses import Found, annotation_of, gather, slot_of, uses_in
from zrokd.contracts import Settings, slot_use
from zrokd.contracts.settings import UseSlot


class Inner(Settings):
    gate: slot_use("gate") | None = None
    number: int = 1


class Outer(Settings):
    one: slot_use("storage") | None = None
    usual: slot_use("overlay", "local") = "local"
    many: list[slot_use("filter")] = Field(default=["forwarded"])
    named: dict[str, slot_use("gate")] = Field(default={})
    lists: dict[str, list[slot_use("sink")]] = Field(default={})
    inner: Inner = Inner()
    inners: list[Inner] = Field(default=[])
    by_name: dict[str, Inner] = Field(default={})
    text: str = ""


class Share(Settings):
    name: str = ""
    mode: slot_use("mode", "proxy", beside=True)


class Backend(Settings):
    shares: list[Share] = Field(default=[])


CASES: dict[str, tuple[Any, list[Found]]] = {
    "nothing": ({}, []),
    "a field": ({"one": {"use": "a"}}, [Found(("one",), "storage", "")]),
    "a field with a usual one": ({"usual": {}}, [Found(("usual",), "overlay", "local")]),
    "a name alone": ({"one": "a"}, [Found(("one",), "storage", "")]),
    "a list": ({"many": ["a", {"use": "b"}]}, [Found(("many", 0), "filter", ""), Found(("many", 1), "filter", "")]),
    "a map": ({"named": {"x": {}, "y": "b"}}, [Found(("named", "x"), "gate", "x"), Found(("named", "y"), "gate", "y")]),
    "nothing in a map": ({"named": {"x": None}}, [Found(("named", "x"), "gate", "x")]),
    "lists in a map": ({"lists": {"x": ["a"]}}, [Found(("lists", "x", 0), "sink", "")]),
    "a model": ({"inner": {"gate": "a"}}, [Found(("inner", "gate"), "gate", "")]),
    "a list of models": ({"inners": [{}, {"gate": "a"}]}, [Found(("inners", 1, "gate"), "gate", "")]),
    "a map of models": ({"by_name": {"x": {"gate": "a"}}}, [Found(("by_name", "x", "gate"), "gate", "")]),
    "beside mistakes": ({"one": "a", "text": 5, "nonsense": {"one": "b"}}, [Found(("one",), "storage", "")]),
}
WRONG: list[Any] = [
    {"one": 5}, {"one": ["a"]}, {"many": "a"}, {"many": {"use": "a"}}, {"many": [5, None]}, {"named": ["a"]},
    {"named": {"x": 5}}, {"inner": []}, {"inners": {"gate": "a"}}, {"inner": {"gate": 5}}, {"one": None}, [], "x", None,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_components_are_found_wherever_a_model_may_name_one(case: str) -> None:
    data, expected = CASES[case]
    assert uses_in(Outer, data) == expected


@pytest.mark.parametrize("data", WRONG)
def test_what_cannot_be_a_component_is_left_to_the_model(data: Any) -> None:
    assert uses_in(Outer, data) == []


def gathered(model: type[Settings], data: dict[str, Any], tree: Tree | None = None) -> dict[str, Any]:
    gather(model, data, ("base",), tree or Tree())
    return data


def test_default_components_are_written_out_so_that_they_are_resolved() -> None:
    assert gathered(Outer, {}) == {"usual": "local", "many": ["forwarded"]}
    first, second = gathered(Outer, {}), gathered(Outer, {})
    first["many"].append("x")
    assert second["many"] == ["forwarded"]
    assert Outer.model_fields["many"].default == ["forwarded"]


def test_what_is_given_beats_the_default() -> None:
    assert gathered(Outer, {"many": [], "usual": "x"}) == {"many": [], "usual": "x"}


def test_the_key_is_the_plugin_where_use_is_left_out() -> None:
    data = gathered(Outer, {"many": [], "usual": {}, "named": {"x": {"a": 1}, "y": {"use": "z"}, "n": None, "s": "t"}})
    assert data["named"] == {"x": {"a": 1, "use": "x"}, "y": {"use": "z"}, "n": {"use": "n"}, "s": "t"}
    assert data["usual"] == {"use": "local"}


def test_a_field_does_not_lend_its_name() -> None:
    assert gathered(Outer, {"one": {"path": "x"}})["one"] == {"path": "x"}
    assert gathered(Outer, {"many": [{"x": 1}]})["many"] == [{"x": 1}]


BESIDE: dict[str, tuple[Any, Any]] = {
    "left out": ({"target": 1}, {"mode": {"use": "proxy", "target": 1}}),
    "named": ({"mode": "web", "target": 1}, {"mode": {"use": "web", "target": 1}}),
    "the long form": ({"mode": {"use": "web", "target": 1}}, {"mode": {"use": "web", "target": 1}}),
    "the long form of the usual": ({"mode": {"target": 1}}, {"mode": {"use": "proxy", "target": 1}}),
    "both": ({"mode": {"use": "web"}, "target": 1}, {"mode": {"use": "web", "target": 1}}),
    "with a name": ({"name": "x", "a": 1, "b": 2}, {"name": "x", "mode": {"use": "proxy", "a": 1, "b": 2}}),
    "nothing at all": ({}, {"mode": {"use": "proxy"}}),
    "no component": ({"mode": 5, "target": 1}, {"mode": 5, "target": 1}),
}


@pytest.mark.parametrize("case", BESIDE)
def test_keys_beside_a_component_become_its_own(case: str) -> None:
    share, expected = BESIDE[case]
    assert gathered(Backend, {"shares": [dict(share)]})["shares"] == [expected]


def test_keys_that_moved_are_known_by_the_place_where_they_were_written() -> None:
    tree = parse(b"base:\n  shares:\n    - mode: web\n      target: 1\n", "f.yml")
    gathered(Backend, tree.data["base"], tree)
    moved = ("base", "shares", 0, "mode", "target")
    assert tree.as_written(moved) == ("base", "shares", 0, "target")
    assert tree.mark(moved) == Mark("f.yml", 4, 15, "      target: 1")
    assert set(tree.beside(moved)) == {"name", "mode"}
    assert tree.as_written(("base", "shares", 0, "mode", "missing")) == ("base", "shares", 0, "missing")


def test_a_key_in_both_places_is_a_mistake() -> None:
    tree = Tree()
    data = gathered(Backend, {"shares": [{"mode": {"use": "web", "target": 1}, "target": 2}]}, tree)
    assert data["shares"] == [{"mode": {"use": "web", "target": 1}}]
    (problem,) = tree.problems
    assert problem.path == "base.shares[0].target"


def test_slots_are_found_among_annotations() -> None:
    slot = slot_of(Outer.model_fields["usual"].metadata)
    assert isinstance(slot, UseSlot)
    assert (slot.slot, slot.default, slot.beside) == ("overlay", "local", False)
    assert slot_of(Outer.model_fields["text"].metadata) is None
    assert annotation_of(Outer.model_fields["text"]) is str
