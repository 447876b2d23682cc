from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Field, model_validator

from zrokd.config.check import Lookup, check
from zrokd.config.parse import parse
from zrokd.config.tree import Origin, Tree
from zrokd.contracts import Gate, Mistake, Settings, Use, repeated, rule, slot_use
from zrokd.errors import PluginError, Problem


class Chain(Settings):
    then: slot_use("gate") | None = None
    number: int | None = None
    truth: bool | None = None
    word: str = ""
    either: int | str = 0


class ChainGate(Gate):
    name = "chain"
    Settings = Chain


class Top(Settings):
    gates: dict[str, slot_use("gate")] = Field(default={})
    first: slot_use("gate", "chain") = "chain"
    number: int = 0

    @model_validator(mode="after")
    def _small(self) -> Top:
        if self.number > 9:
            raise ValueError("too large")
        return self


def registry(slot: str, name: str) -> type[Gate]:
    if (slot, name) == ("gate", "chain"):
        return ChainGate
    error = PluginError(f"no {slot} plugin is named {name!r}; did you mean 'chain'?")
    error.hint = "did you mean 'chain'?"  # type: ignore[attr-defined]
    raise error


def checked(text: str, tree: Tree | None = None, lookup: Lookup = registry) -> tuple[Any, list[tuple[str, str, str]]]:
    tree = tree or parse(text.encode(), "f.yml")
    instance, whole = check(Top, tree.data, (), tree, lookup)
    assert not (whole and tree.problems)
    return instance, [(problem.path, problem.message, problem.hint) for problem in tree.problems]


def test_components_are_resolved_all_the_way_down() -> None:
    top, problems = checked("gates: {a: {use: chain, then: {use: chain, then: chain}}}\n")
    assert problems == []
    inner = top.gates["a"].settings.then.settings.then
    assert isinstance(inner, Use)
    assert (inner.component, inner.settings) == (ChainGate, Chain())


def test_a_default_component_is_resolved_too() -> None:
    top, _ = checked("number: 1\n")
    assert top.first.component is ChainGate
    assert top.first.settings == Chain()


def test_mistakes_inside_components_are_found_even_when_the_outside_is_wrong() -> None:
    top, problems = checked("number: x\ngates: {a: {use: chain, then: {use: chian}}, b: {use: chain, nmber: 1}}\n")
    assert not hasattr(top, "number")
    assert problems == [
        ("number", "'x' is not a whole number", ""),
        ("gates.a.then.use", "no gate plugin is named 'chian'", "did you mean 'chain'?"),
        ("gates.b.nmber", "unknown key 'nmber'", "did you mean 'number'?"),
    ]


def test_the_place_of_an_unknown_component_is_where_its_name_stands() -> None:
    tree = parse(b"gates:\n  a: {use: x}\n  b: y\n  c: {then: chain}\n", "f.yml")
    checked("", tree)
    assert [(p.line, p.column) for p in tree.problems] == [(2, 12), (3, 6), (4, 3)]


def test_a_broken_plugin_is_a_mistake_at_its_place() -> None:
    def broken(slot: str, name: str) -> Any:
        raise PluginError("the plugin cannot be imported: ImportError: no module named 'x'")

    _, problems = checked("first: chain\n", lookup=broken)
    assert problems == [("first", "the plugin cannot be imported: ImportError: no module named 'x'", "")]


READ: dict[str, tuple[str, Any]] = {
    "number": ("12", 12),
    "truth": ("yes", True),
    "word": ("12", "12"),
    "either": ("12", "12"),
}


@pytest.mark.parametrize("key", READ)
def test_a_referenced_text_becomes_what_its_key_wants(key: str) -> None:
    text, expected = READ[key]
    path = ("gates", "a", key)
    tree = Tree(data={"gates": {"a": {"use": "chain", key: text}}}, origins={path: Origin("!env X", text)})
    top, problems = checked("", tree)
    assert problems == []
    assert getattr(top.gates["a"].settings, key) == expected


def test_a_text_in_the_file_stays_a_text() -> None:
    assert checked('number: "12"\n')[1] == [("number", "'12' is not a whole number", "")]


def test_a_referenced_text_that_fits_nowhere_is_told_once_and_hidden() -> None:
    tree = Tree(data={"number": "s3cret"}, origins={("number",): Origin("!env X", "s3cret")})
    assert checked("", tree)[1] == [("number", "the value of !env X is not a whole number", "")]


def test_rules_over_several_keys_are_asked_after_references_were_read() -> None:
    tree = Tree(data={"number": "10"}, origins={("number",): Origin("!env X", "10")})
    assert checked("", tree)[1] == [("", "too large", "")]


class Zones(Settings):
    zones: list[str] = Field(default=[])
    spare: str = ""
    name: str = ""
    old: str = ""

    @rule
    def _differ(self) -> Iterator[Mistake]:
        for path, first in repeated((("zones", index), zone) for index, zone in enumerate(self.zones)):
            yield Mistake("this zone stands twice", path, first=first)

    @rule
    def _new(self) -> Iterator[Mistake]:
        if self.old:
            yield Mistake("write `zones`", ("old",))
        if self.spare == self.old != "":
            yield Mistake("write it once", ("spare",))

    @rule
    def _known(self) -> Iterator[Mistake]:
        if self.spare and self.spare not in self.zones:
            yield Mistake(f"no zone is called {self.spare!r}", ("spare",), hint="did you mean it?")

    def misfit(self) -> Iterator[Mistake]:
        if self.name == "misfit":
            yield Mistake("a misfit", ("name",))

    def caution(self) -> Iterator[Mistake]:
        if self.name:
            yield Mistake("take care", ("name",))


class ZonesGate(Gate):
    name = "zones"
    Settings = Zones


def in_zones(text: str) -> Tree:
    tree = parse(f"gates:\n  a:\n    use: zones\n{text}".encode(), "f.yml")
    check(Top, tree.data, (), tree, lambda _slot, name: ZonesGate if name == "zones" else ChainGate)
    return tree


def placed(problems: list[Problem]) -> list[str]:
    return [f"{each.line}:{each.column}: {each.path}: {each.message}; {each.hint}" for each in problems]


ZONES = """\
    zones: [a, b,
      a,
      b]
    spare: c
"""


def test_a_rule_names_each_key_that_it_means_and_the_first_of_its_kind() -> None:
    assert placed(in_zones(ZONES).problems) == [
        "5:7: gates.a.zones[2]: this zone stands twice; the first is gates.a.zones[0] in line 4; ",
        "6:7: gates.a.zones[3]: this zone stands twice; the first is gates.a.zones[1] in line 4; ",
        "7:12: gates.a.spare: no zone is called 'c'; did you mean it?",
    ]


def test_beside_wrong_values_it_does_so_too() -> None:
    assert placed(in_zones("    zones: [a, a]\n    spare: 5\n").problems) == [
        "5:12: gates.a.spare: 5 is not a text; put it in quotes",
        "4:16: gates.a.zones[1]: this zone stands twice; the first is gates.a.zones[0] in line 4; ",
    ]


def test_what_a_rule_found_counts_up_to_a_value_that_is_wrong() -> None:
    assert placed(in_zones("    old: a\n    spare: 5\n").problems) == [
        "5:12: gates.a.spare: 5 is not a text; put it in quotes",
        "4:10: gates.a.old: write `zones`; ",
    ]


def test_misfits_and_cautions_have_places_too() -> None:
    tree = in_zones("    name: misfit\n")
    assert placed(tree.problems) == ["4:11: gates.a.name: a misfit; "]
    assert placed(tree.warnings) == ["4:11: gates.a.name: take care; "]


def test_what_a_rule_quotes_of_a_reference_is_not_shown() -> None:
    tree = parse(b"gates: {a: {use: zones, spare: x}}", "f.yml")
    tree.data["gates"]["a"]["spare"] = "somebody's password"
    tree.origins["gates", "a", "spare"] = Origin("!file x", "somebody's password")
    check(Top, tree.data, (), tree, lambda _slot, name: ZonesGate if name == "zones" else ChainGate)
    assert [each.message for each in tree.problems] == ["no zone is called the value of !file x"]
