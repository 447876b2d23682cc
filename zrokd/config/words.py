"""pydantic's errors in an operator's words."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zrokd.config.syntax import short

Words = tuple[str, str]  # message, hint
_WANTED = {
    "int_type": "a whole number", "int_parsing": "a whole number", "int_from_float": "a whole number",
    "int_parsing_size": "a number that can be kept", "float_type": "a number", "float_parsing": "a number",
    "finite_number": "a finite number", "bool_type": "true or false", "bool_parsing": "true or false",
    "string_type": "a text", "path_type": "a path", "list_type": "a list", "tuple_type": "a list",
    "set_type": "a list", "frozen_set_type": "a list", "dict_type": "a map of keys", "model_type": "a map of keys",
    "model_attributes_type": "a map of keys", "none_required": "nothing", "bytes_type": "a text",
}  # fmt: skip
_MAPS = frozenset(["dict_type", "model_type", "model_attributes_type"])
_BOUNDS = {
    "greater_than": ("gt", "too small: write more than"), "greater_than_equal": ("ge", "too small: write at least"),
    "less_than": ("lt", "too large: write less than"), "less_than_equal": ("le", "too large: write at most"),
    "multiple_of": ("multiple_of", "no multiple of"),
}  # fmt: skip
_LENGTHS = {
    "string_too_short": ("min_length", "{} is too short: at least {} characters"),
    "string_too_long": ("max_length", "{} is too long: at most {} characters"),
    "too_short": ("min_length", "{} with too little in it; at least {} must stand here"),
    "too_long": ("max_length", "{} with too much in it; at most {} may stand here"),
}


def wanted(kind: str) -> str:
    """What an error of this kind wants to see, for errors that say nothing else; or ""."""
    return _WANTED.get(kind, "")


def nothing_of(kind: str, shown: str) -> Words:
    """What to say when a value is not what `wanted` says."""
    if kind in _MAPS and shown == "nothing":
        return "nothing stands here; write keys below it, or take it away", ""
    bare = shown[:1].isalnum() and not shown.startswith(_PROSE)
    return f"{shown} is not {_WANTED[kind]}", "put it in quotes" if bare and kind == "string_type" else ""


def words_for(item: Mapping[str, Any], shown: str) -> Words:
    """Message and hint for one of pydantic's errors. `shown` is the value as it may be shown."""
    kind, context = item["type"], item.get("ctx", {})
    if kind in _WANTED:
        return nothing_of(kind, shown)
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{shown} is {words} {context[key]}", ""
    if kind in _LENGTHS:
        key, words = _LENGTHS[kind]
        if kind == "too_short" and not context.get("actual_length", 1):
            return f"nothing is in it; at least {context[key]} is needed", ""
        return words.format(shown, context[key]), ""
    if kind in _OTHERS:
        return _OTHERS[kind](context, shown)
    text = str(context.get("error") or item["msg"])
    return text[:1].lower() + text[1:] if kind != "value_error" else text, ""


def _choice(context: Mapping[str, Any], shown: str) -> Words:
    expected = str(context["expected"])
    choices = [choice.strip(" '") for choice in expected.replace(" or ", ", ").split(",")]
    if len(choices) == 1:
        return f"{shown} is not {expected}", ""
    return f"{shown} is not one of {expected}", guess(shown.strip("'"), choices)


def _pattern(context: Mapping[str, Any], shown: str) -> Words:
    return f"{shown} does not match the pattern {context['pattern']}", ""


_OTHERS: Mapping[str, Callable[[Mapping[str, Any], str], Words]] = {
    "literal_error": _choice,
    "enum": _choice,
    "string_pattern_mismatch": _pattern,
}
_PROSE = ("nothing", "a list", "a map of keys", "the value of")


def show(value: Any) -> str:
    """`value` as messages name it."""
    if isinstance(value, dict | list | tuple):
        return "a map of keys" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    return short(value)


def guess(word: str, known: Iterable[str]) -> str:
    """A hint when `word` looks like one of `known`; or ""."""
    meant = nearest(word, known)
    return f"did you mean {meant!r}?" if meant else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of `known` that `word` looks like; or ""."""
    return next(iter(difflib.get_close_matches(word[:64], list(known), 1, 0.6)), "")
