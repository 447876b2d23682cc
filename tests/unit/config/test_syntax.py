from __future__ import annotations

import pytest
import yaml

from zrokd.config.masking import mask_text
from zrokd.config.parse import parse
from zrokd.config.syntax import Refused, lines_of, problem, short

# text -> line, column and what is said
SAID = {
    "a: b: c\n": (1, 5, "a second `:` in this line, or wrong indentation; put a value that holds `: ` in quotes"),
    "a: [1\n": (2, 1, "a `[` is not closed, or a comma is missing; it opens at 1:4"),
    "a: {b: 1\n": (2, 1, "a `{` is not closed, or a comma is missing; it opens at 1:4"),
    "a: {b: 1\n c: 1\n": (2, 3, "a `{` is not closed, or a comma is missing; it opens at 1:4"),
    "a: 'b\n": (2, 1, "a quote is never closed; it opens at 1:4"),
    'a: 1\nb:\n  - "c\nd: 1\ne: 1\n': (6, 1, "a quote is never closed; it opens at 3:5"),
    'a: "b\n---\nc: 1\n': (2, 1, "a quote is never closed; it opens at 1:4"),
    'a: "\\q"\n': (1, 5, "a `\\` in \"double quotes\" begins an escape; use 'single quotes'"),
    "a: @b\n": (1, 4, "a value cannot begin with '@'; put it in quotes"),
    "a: %b\n": (1, 4, "a value cannot begin with '%'; put it in quotes"),
    "a: `b`\n": (1, 4, "a value cannot begin with '`'; put it in quotes"),
    "a: *b\n": (1, 4, "this alias stands for nothing; put a value that begins with `*` in quotes"),
    "a: * b\n": (1, 5, "`*` and `&` begin aliases; put the value in quotes"),
    "a:\n\tb: 1\n": (2, 1, "a tab stands here; YAML wants blanks for indenting"),
    "a:\n  b: 1\n \tc: 1\n": (3, 2, "a tab stands here; YAML wants blanks for indenting"),
    "a: - b\n": (1, 4, "a list cannot begin here; put `-` on a line of its own"),
    "a:\n  - b\n  c: d\n": (3, 3, "wrong indentation, or an item of this list does not begin with `-`"),
    "a: 1\nb\nc: 2\n": (3, 1, "this key has no `:`"),
    "a: 1\n---\nb: 1\n": (2, 1, "a second document begins here; take the `---` away"),
}


def said(text: str) -> yaml.YAMLError:
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.compose(text, Loader=yaml.CSafeLoader)
    return caught.value


@pytest.mark.parametrize("text", SAID)
def test_each_syntax_error_is_told_in_an_operators_words(text: str) -> None:
    found = problem(said(text), "f.yml", text)
    assert (found.line, found.column, found.message) == SAID[text]
    assert found.file == "f.yml"
    assert found.source == mask_text(text.split("\n")[found.line - 1])


def test_what_nobody_foresaw_is_told_without_the_parsers_words() -> None:
    mark = yaml.Mark("f", 0, 0, 0, None, None)
    told = "this cannot be read as YAML from here on; put texts with special characters in quotes"
    assert problem(yaml.MarkedYAMLError(None, None, "the moon is full", mark), "f.yml", "a").message == told
    assert problem(yaml.YAMLError("odd"), "f.yml", "a").message == "this is not YAML"


def test_what_is_refused_by_us_is_told_as_it_is() -> None:
    mark = yaml.Mark("f", 0, 0, 2, None, None)
    found = problem(Refused("is too high", mark), "f.yml", "abc")
    assert (found.message, found.line, found.column, found.source) == ("the file is too high", 1, 3, "***")


def test_a_place_behind_the_last_line_has_no_source() -> None:
    mark = yaml.Mark("f", 0, 7, 0, None, None)
    assert problem(Refused("ends", mark), "f.yml", "abc").source == ""


def test_lines_end_where_yaml_says() -> None:
    assert lines_of("a\r\nb\rc\nd\x85e\u2028f\u2029g\x0bh") == ["a", "b", "c", "d", "e", "f", "g\x0bh"]


def test_long_values_are_cut() -> None:
    assert short("x" * 10) == "'xxxxxxxxxx'"
    assert short("x" * 500) == "'" + "x" * 79 + "..."
    assert short(12) == "12"


@pytest.mark.parametrize("text", ["a: {b: ${FOO}}", "a: {b: x${FOO}, c: 1}", "a: [${FOO}]", "a: {\n b: ${FOO}}"])
def test_a_variable_between_brackets_stands_in_quotes(text: str) -> None:
    [told] = parse(text.encode(), "f.yml").problems
    assert told.message == "inside of { } and [ ] a value with ${...} must stand in quotes"
