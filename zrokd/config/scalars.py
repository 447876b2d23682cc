"""One YAML scalar -> a plain value. YAML 1.1 without its traps: dates and numbers to the base of 60 are texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

_PREFIX = "tag:yaml.org,2002:"
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_MOST_DIGITS = 100
_RESOLVER = yaml.resolver.Resolver()


def convert(tag: str, text: str) -> Any:
    """The value of a scalar with a resolved tag.

    :raises KeyError: no such tag here. :raises ValueError: the text is not what the tag says.
    """
    if tag == "!":
        return text
    return _CONVERT[tag.removeprefix(_PREFIX)](text) if tag.startswith(_PREFIX) else _CONVERT[tag]


def plain(text: str) -> Any:
    """What `text` would be, were it written without quotes in a YAML file."""
    tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    try:
        return convert(tag, text)
    except (KeyError, ValueError):
        return text


def _integer(text: str) -> int | str:
    if ":" in text:
        return text
    digits = text.replace("_", "")
    if len(digits) > _MOST_DIGITS:
        raise ValueError("more digits than any key of ours can mean")
    return int(digits, 8) if _OCTAL.fullmatch(digits) else int(digits, 0)


def _number(text: str) -> float | str:
    if ":" in text:
        return text
    return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


_CONVERT: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "int": _integer,
    "float": _number,
    "bool": lambda text: text.lower() in ("true", "yes", "on"),
    "null": lambda _text: None,
    "timestamp": str,
    "value": str,
    "merge": str,
}
