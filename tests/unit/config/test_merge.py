from __future__ import annotations

import pytest

from zrokd.config.merge import merge
from zrokd.config.parse import parse
from zrokd.config.tree import Tree


def merged(*texts: str) -> Tree:
    whole, *parts = (parse(text.encode(), f"{number}.yml") for number, text in enumerate(texts))
    merge(whole, parts)
    return whole


def test_maps_are_joined_at_every_depth() -> None:
    tree = merged("a: {b: {c: 1}}\n", "a: {b: {d: 2}, e: 3}\n", "f: 4\n")
    assert tree.data == {"a": {"b": {"c": 1, "d": 2}, "e": 3}, "f": 4}
    assert tree.problems == []
    assert [tree.values[path].file for path in [("a", "b", "c"), ("a", "b", "d"), ("f",)]] == [
        "0.yml",
        "1.yml",
        "2.yml",
    ]


@pytest.mark.parametrize("key", ["auth", "sinks", "observers", "plugin_path"])
def test_lists_of_ordered_slots_are_joined(key: str) -> None:
    tree = merged(f"{key}: [a, b]\n", f"{key}:\n  - use: c\n", f"{key}: [d]\n")
    assert tree.data == {key: ["a", "b", {"use": "c"}, "d"]}
    assert (tree.values[key, 2, "use"].file, tree.values[key, 2, "use"].line) == ("1.yml", 2)
    assert tree.values[key, 3].file == "2.yml"


TWICE = {
    "a value": ("a: 1\n", "b: 1\na: 2\n", "a", 2),
    "an equal value": ("a: 1\n", "a: 1\n", "a", 1),
    "a list elsewhere": ("a: {auth: [1]}\n", "a: {auth: [2]}\n", "a.auth", 1),
    "a map and a value": ("a: {b: 1}\n", "a: 1\n", "a", 1),
    "a list and a value": ("auth: [a]\n", "auth: b\n", "auth", 1),
    "deep below": ("a:\n  b:\n    c: 1\n", "\na:\n  b:\n    c: 2\n", "a.b.c", 4),
}


@pytest.mark.parametrize("kind", TWICE)
def test_what_stands_in_two_files_is_told_with_both_places(kind: str) -> None:
    first, second, path, line = TWICE[kind]
    tree = merged(first, second)
    (problem,) = tree.problems
    place = tree.keys[tuple(path.split("."))]
    assert problem.message == f"the key stands in 0.yml:{place.line}:{place.column} already"
    assert (problem.file, problem.line, problem.path) == ("1.yml", line, path)
    assert tree.data | parse(first.encode(), "0.yml").data == tree.data


def test_the_version_may_stand_in_each_file_if_it_is_the_same() -> None:
    assert merged("version: 1\n", "version: 1\n").problems == []
    assert len(merged("version: 1\n", "version: 2\n").problems) == 1


def test_mistakes_of_the_parts_are_kept() -> None:
    tree = merged("a: 1\n", "b: !x y\n", "c: @\n")
    assert [problem.file for problem in tree.problems] == ["1.yml", "2.yml"]
    assert tree.is_broken(("b",))


def test_what_could_not_be_read_in_a_list_is_marked_where_it_goes() -> None:
    tree = merged("auth: [{secrets: 5}]\n", "auth: [{secrets: !bad x}]\n")
    assert [tree.is_broken(("auth", index, "secrets")) for index in (0, 1)] == [False, True]


def test_what_could_not_be_read_and_is_not_taken_marks_nothing() -> None:
    assert not merged("a: 1\n", "a: !bad x\n").is_broken(("a",))
