from __future__ import annotations

import pytest
from pydantic import Field

from zrokd.config.tree import Mark, Origin, Tree, at, dotted
from zrokd.contracts import Settings


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("a",), "a"),
        (("a", "b"), "a.b"),
        (("a", 0, "b"), "a[0].b"),
        ((0, 1), "[0][1]"),
        (("b c",), "b c"),
    ],
)
def test_paths_are_written_with_dots_and_brackets(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text


def test_a_place_that_is_not_there_is_that_of_what_holds_it() -> None:
    tree = Tree(keys={("a",): Mark("f", 1, 1)}, values={("a",): Mark("f", 1, 4), (): Mark("f", 1, 1)})
    assert tree.mark(("a",)) == Mark("f", 1, 4)
    assert tree.mark(("a",), key=True) == Mark("f", 1, 1)
    assert tree.mark(("a", "b", "c")) == Mark("f", 1, 1)
    assert tree.mark(("x",)) == Mark("f", 1, 1)
    assert Tree().mark(("x",)) is None


def test_a_problem_without_a_place_has_its_path_at_least() -> None:
    found = Tree().problem("wrong", ("a", 1), hint="right")
    assert (found.message, found.path, found.file, found.line, found.hint) == ("wrong", "a[1]", "", 0, "right")


def test_what_was_moved_is_told_where_it_was_written() -> None:
    tree = Tree()
    tree.move(("share", "mode", "target"), ("share", "target"), ["name", "private"])
    tree.open(("share", "mode"), ("share",))
    assert tree.as_written(("share", "mode", "target", 0)) == ("share", "target", 0)
    assert tree.as_written(("share", "mode", "missing")) == ("share", "missing")
    assert tree.as_written(("share", "mode")) == ("share", "mode")
    assert tree.as_written(("other", "mode", "x")) == ("other", "mode", "x")
    assert tree.beside(("share", "mode", "target")) == ("name", "private")
    assert tree.beside(("share", "mode")) == ()


def test_moves_follow_each_other() -> None:
    tree = Tree()
    tree.move(("a", "b", "c"), ("a", "c"))
    tree.move(("a", "b", "c", "mode", "x"), ("a", "b", "c", "x"))
    assert tree.as_written(("a", "b", "c", "mode", "x", 0)) == ("a", "c", "x", 0)


def test_origins_and_broken_values_are_found_where_they_were_written() -> None:
    tree = Tree(origins={("a", 0): Origin("!env X", "x"), ("b",): Origin("!env Y", "y")}, broken={("a", 1)})
    tree.move(("z",), ("a",))
    assert [origin.text for origin in tree.origins_below(("z",))] == ["x"]
    assert [origin.text for origin in tree.origins_below(())] == ["x", "y"]
    assert tree.is_broken(("z", 1))
    assert not tree.is_broken(("z", 0))


def test_refused_mistakes_are_kept() -> None:
    tree = Tree(keys={("a",): Mark("f", 2, 3, "  a: 1")})
    tree.refuse("no", ("a",), key=True)
    (problem,) = tree.problems
    assert (problem.file, problem.line, problem.column, problem.source) == ("f", 2, 3, "  a: 1")


class Inner(Settings):
    x: int = 1


class Outer(Settings):
    inner: list[Inner] = Field(default=[])
    pair: tuple[int, ...] = (1, 2)


def test_values_are_found_in_models_lists_and_maps() -> None:
    data = {"a": [Outer(inner=[Inner(x=5)])]}
    assert at(data, ("a", 0, "inner", 0, "x")) == 5
    assert at(data, ("a", 0, "pair", 1)) == 2
    assert at(data, ()) is data


@pytest.mark.parametrize("path", [("b",), ("a", 1), ("a", 0, "nothing")])
def test_what_is_not_there_is_a_lookup_error(path: tuple[str | int, ...]) -> None:
    with pytest.raises(LookupError):
        at({"a": [Outer()]}, path)
