"""What libyaml says, in an operator's words."""

from __future__ import annotations

import re
from typing import Any

import yaml

from zrokd.config.masking import mask_text, mask_urls
from zrokd.errors import Problem

_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # what YAML counts as the end of a line
_UNCLOSED = _QUOTE, _LIST, _KEYS = (
    "a quote is never closed",
    "a `[` is not closed, or a comma is missing",
    "a `{` is not closed, or a comma is missing",
)
_WORDS = {
    "mapping values are not allowed in this context": "a second `:` in this line, or wrong indentation; put a "
    "value that holds `: ` in quotes",
    "did not find expected key": "wrong indentation, or a quote or bracket before this is not closed",
    "did not find expected '-' indicator": "wrong indentation, or an item of this list does not begin with `-`",
    "block sequence entries are not allowed in this context": "a list cannot begin here; put `-` on a line of its own",
    "could not find expected ':'": "this key has no `:`",
    "found unexpected end of stream": _QUOTE,
    "found unexpected document indicator": _QUOTE,
    "did not find expected ',' or ']'": _LIST,
    "did not find expected ',' or '}'": _KEYS,
    "did not find expected alphabetic or numeric character": "`*` and `&` begin aliases; put the value in quotes",
    "found undefined alias": "this alias stands for nothing; put a value that begins with `*` in quotes",
    "found duplicate anchor": "this anchor stands twice",
    "found unknown escape character": "a `\\` in \"double quotes\" begins an escape; use 'single quotes'",
    "but found another document": "a second document begins here; take the `---` away",
    "exceeded maximum nesting depth": "the file is nested too deeply",
    "did not find expected <document start>": "the file must hold keys and values, like `version: 1`",
}


class Refused(yaml.MarkedYAMLError):
    """YAML, but more of it than a configuration needs."""

    def __init__(self, what: str, mark: Any) -> None:
        super().__init__(None, None, f"the file {what}", mark)


def problem(error: yaml.YAMLError, file: str, text: str) -> Problem:
    """A syntax error with its place."""
    mark = getattr(error, "problem_mark", None)
    said = str(getattr(error, "problem", None) or error).strip()
    lines = lines_of(text)
    if mark is None:
        return Problem("this is not YAML", file=file)
    source = lines[mark.line] if mark.line < len(lines) else ""
    message = said if isinstance(error, Refused) else _words(said, source, mark.column)
    begun = getattr(error, "context_mark", None)
    if begun is not None and message in _UNCLOSED:  # which shows at the end of the file
        message += f"; it opens at {begun.line + 1}:{begun.column + 1}"
    return Problem(message, file=file, line=mark.line + 1, column=mark.column + 1, source=mask_text(source))


def _words(said: str, source: str, column: int) -> str:
    character = source[column : column + 1]
    if said.startswith("did not find expected ','") and source[max(0, column - 1) : column + 1] == "${":
        return "inside of { } and [ ] a value with ${...} must stand in quotes"
    if "tab character" in said or ("cannot start any token" in said and character == "\t"):
        return "a tab stands here; YAML wants blanks for indenting"
    if "cannot start any token" in said:
        return f"a value cannot begin with {character!r}; put it in quotes"
    known = next((words for begin, words in _WORDS.items() if said.startswith(begin)), "")
    return known or "this cannot be read as YAML from here on; put texts with special characters in quotes"


def lines_of(text: str) -> list[str]:
    """The lines as YAML counts them."""
    return _BREAKS.split(text)


def short(value: object, most: int = 80) -> str:
    """`value` as messages show it: a text in quotes, cut where it is long, without passwords of URLs."""
    text = mask_urls(repr(value))
    return text if len(text) <= most else f"{text[:most]}..."
