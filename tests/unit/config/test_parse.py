from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zrokd.config.load import Configuration
from zrokd.config.parse import MAX_BYTES, parse
from zrokd.config.tree import UNREAD, Mark, Reference, Tree
from zrokd.errors import ConfigError, Problem


def tree_of(text: str) -> Tree:
    tree = parse(text.encode(), "f.yml")
    assert tree.problems == []
    return tree


def complaint(raw: bytes) -> Problem:
    tree = parse(raw, "f.yml")
    (problem,) = tree.problems
    return problem


def test_values_keep_their_types_and_each_has_its_place() -> None:
    tree = tree_of("a: 1\nb:\n  - x\n  - {c: yes}\n")
    assert tree.data == {"a": 1, "b": ["x", {"c": True}]}
    assert tree.values["b", 1, "c"] == Mark("f.yml", 4, 9, "  - {c: yes}")
    assert tree.keys["b", 1, "c"] == Mark("f.yml", 4, 6, "  - {c: yes}")


def test_references_stay_references() -> None:
    tree = tree_of("a: !env NAME\nb: !file 'a b'\nc: [!cred x, !secret y]\n")
    expected = [Reference("env", "NAME"), Reference("file", "a b"), Reference("cred", "x"), Reference("secret", "y")]
    assert [tree.data["a"], tree.data["b"], *tree.data["c"]] == expected
    assert str(tree.data["b"]) == "!file a b"


def test_an_alias_is_what_its_anchor_was() -> None:
    assert tree_of("a: &x {b: 1}\nc: *x\n").data == {"a": {"b": 1}, "c": {"b": 1}}


def test_keys_are_texts_whatever_they_look_like() -> None:
    assert tree_of("1: a\nyes: b\n2020-01-01: c\n").data == {"1": "a", "yes": "b", "2020-01-01": "c"}


def test_a_byte_order_mark_does_not_count() -> None:
    assert parse(b"\xef\xbb\xbfa: 1\n", "f.yml").data == {"a": 1}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\x85", "\u2028"])
def test_places_are_counted_in_yaml_lines(newline: str) -> None:
    tree = tree_of(f"a: 1{newline}b: 2{newline}")
    assert tree.keys["b",] == Mark("f.yml", 2, 1, "b: 2")


BINARY = {
    "nul": (b"a: 1\nb: \0\n", 2, 4, "the control character '\\x00' cannot stand here; is it a binary file?"),
    "escape": (b"a: \x1b[0m\n", 1, 4, "the control character '\\x1b' cannot stand here; is it a binary file?"),
    "not utf-8": (b"a: 1\n\nb: \xff\xfe\n", 3, 1, "the file is not UTF-8 text; is it a binary file?"),
    "utf-16": ("a: 1".encode("utf-16"), 1, 1, "the file is not UTF-8 text; is it a binary file?"),
    "elf": (b"\x7fELF\x02\x01\x01\0\0", 1, 1, "the control character '\\x7f' cannot stand here; is it a binary file?"),
}


@pytest.mark.parametrize("name", BINARY)
def test_binary_files_are_refused_at_the_first_bad_byte(name: str) -> None:
    raw, line, column, message = BINARY[name]
    found = complaint(raw)
    assert (found.line, found.column, found.message) == (line, column, message)


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"# a comment\n", b"---\n", b"\xef\xbb\xbf", b"~\n"[:0]])
def test_an_empty_file_is_a_mistake_but_not_for_a_part(raw: bytes) -> None:
    assert complaint(raw).message == "the file is empty; begin with `version: 1` and `roles:`"
    assert parse(raw, "f.yml", may_be_empty=True) == Tree()


def test_a_part_must_hold_keys_if_it_holds_anything() -> None:
    (problem,) = parse(b"- 1\n", "f.yml", may_be_empty=True).problems
    assert problem.message == "the file must hold keys and values, like `version: 1`"


def test_one_byte_more_than_a_mebibyte_is_too_much() -> None:
    assert parse(b"a: 1\n#" + b"x" * (MAX_BYTES - 6), "f.yml").problems == []
    assert complaint(b"a: 1\n#" + b"x" * (MAX_BYTES - 5)).message == (
        "the file is larger than 1 MiB; this is no configuration"
    )


BOMBS = {
    "aliases": "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{new}: &{new} [{','.join(['*' + old] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "an alias of itself": "a: &a\n  b: *a\n",
    "a list of itself": "a: &a [*a, *a]\n",
    "brackets": "a: " + "[" * 500_000,
    "braces": "a: " + "{a: " * 100_000,
    "dashes": "a:\n  " + "- " * 200_000 + "x",
    "questions": "? " * 200_000,
    "many keys": "".join(f"k{n}: v\n" for n in range(80_000)),
    "many items": "a: [" + "x," * 300_000 + "]",
    "many documents": "--- {}\n" * 100_000,
    "a long key": "a" * 1_000_000 + ": 1\n",
    "a long number": "a: " + "9" * 1_000_000,
    "a long alias": "a: *" + "a" * 1_000_000,
    "a long tag": "a: !" + "a" * 1_000_000 + " b",
    "many doubled keys": "a: 1\n" * 40_000,
    "many anchors": "".join(f"k{n}: &a{n} v\n" for n in range(20_000)),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.blocks_hub("measures what it takes")
@pytest.mark.slow
def test_no_file_takes_longer_the_worse_it_is(name: str, load: Callable[..., Configuration]) -> None:
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load(BOMBS[name])
    assert time.process_time() - started < 5.0  # quadratic work would take minutes
    assert len(str(caught.value)) < 100_000


def test_a_bomb_of_aliases_says_so() -> None:
    problem = complaint(BOMBS["aliases"].encode())
    assert problem.message == "is nested too deeply, or repeats itself too often by aliases"
    assert complaint(BOMBS["an alias of itself"].encode()).message == problem.message


def test_towers_are_refused_before_they_are_built() -> None:
    found = complaint(BOMBS["brackets"].encode())
    assert (found.message, found.line) == ("the file is nested too deeply", 1)
    assert found.column in (43, 1003)  # ours, or that of libyaml from 0.2.6 on: it reads a piece ahead of its events
    assert complaint(BOMBS["many items"].encode()).message == "the file holds too much for a configuration"


_YAML_LIKE = st.text("ab:-#&*!|>'\"%@`{}[],?~ \n\t$0123.<=\\", max_size=200)


@settings(max_examples=300, deadline=1000)
@given(st.binary(max_size=300) | _YAML_LIKE.map(str.encode))
@example(b"a: &a [*a]")
@example(b"? {a: b}\n: c")
@example(b"a: !!binary x")
@example(b"a: !!set {x, y}")
@example(b"a: !!float .inf")
@example(b"a: =")
@example(b"a: <<")
@example(b"!!map {a: 1}")
@example(b"a: !<x> y")
def test_any_bytes_give_a_tree_of_plain_values(raw: bytes) -> None:
    tree = parse(raw, "f.yml")
    assert plain(tree.data)
    assert all(isinstance(problem.message, str) and problem.file == "f.yml" for problem in tree.problems)
    assert set(tree.keys) <= set(tree.values)


def plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return value is None or value is UNREAD or isinstance(value, str | int | float | bool | Reference)
