"""One field of a request at a time, read strictly: a wrong value is an error that names the field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from zrokd.errors import Invalid

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
_MAX_TEXT = 4096
_MAX_ITEMS = 100
_MAX_INTEGER = 2**62
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,6})?")


class NotOneOf(Invalid):
    """The value has the right type and is none of those that exist. zrok tells this apart: 422, not 400.

    `code` is zrok's number for what is wrong: 606 no such value, 601 not of the type, 602 missing.
    """

    def __init__(self, message: str, code: int = 606) -> None:
        self.code = code
        super().__init__(message)


def text(document: Mapping[str, Any], field: str, *, required: bool = False) -> str:
    """A text field; "" when left out. :raises Invalid: it is no text, too long, or missing though required."""
    value = document.get(field)
    if value is None or value == "":
        if required:
            raise Invalid(f"{field} is missing")
        return ""
    if not isinstance(value, str):
        raise Invalid(f"{field} must be a text")
    if len(value) > _MAX_TEXT or "\0" in value:
        raise Invalid(f"{field} is too long, or has a NUL in it")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise Invalid(f"{field} is not Unicode: it has half a surrogate pair in it")
    return value


def flag(document: Mapping[str, Any], field: str) -> bool:
    """A boolean field; False when left out or null. :raises Invalid: it is something else."""
    value = document.get(field)
    if value is not None and not isinstance(value, bool):
        raise Invalid(f"{field} must be true or false")
    return bool(value)


def integer(document: Mapping[str, Any], field: str, default: int = 0) -> int:
    """A whole number; `default` when left out or null. :raises Invalid: it is none, or is too large."""
    value = document.get(field)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_INTEGER:
        raise Invalid(f"{field} must be a whole number")
    return value


def integers(document: Mapping[str, Any], field: str) -> tuple[int, ...]:
    """A list of whole numbers. :raises Invalid: it is something else."""
    return items(document, field, lambda value, place: integer({place: _some(value, place)}, place))


def decimal(document: Mapping[str, Any], field: str) -> float:
    """A number; 0 when left out or null. :raises Invalid: it is none."""
    value = document.get(field)
    if value is None:
        return 0.0
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > _MAX_INTEGER:
        raise Invalid(f"{field} must be a number")
    return float(value)


def _some(value: Any, place: str) -> Any:
    if value is None:
        raise Invalid(f"{place} must be a whole number")
    return value


def items(
    document: Mapping[str, Any], field: str, one: Callable[[Any, str], T], *, most: int = _MAX_ITEMS
) -> tuple[T, ...]:
    """A list field, each item read by `one`; () when left out or null. :raises Invalid: it is something else."""
    value = document.get(field)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > most:
        raise Invalid(f"{field} must be a list of at most {most}")
    return tuple(one(item, f"{field}[{index}]") for index, item in enumerate(value))


def texts(document: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """A list of texts, none of them empty. :raises Invalid: it is something else."""
    return items(document, field, lambda value, place: text({place: value}, place, required=True))


def choice(document: Mapping[str, Any], field: str, kind: type[E], default: E | None = None) -> E:
    """A member of an enumeration. :raises NotOneOf: no such member. :raises Invalid: no text, or missing."""
    value = text(document, field, required=default is None)
    if not value and default is not None:
        return default
    known: dict[str, E] = {member.value: member for member in kind}
    if value not in known:
        raise NotOneOf(f"{field} must be one of {', '.join(known)}")
    return known[value]


def number(query: Mapping[str, str], name: str, *, highest: float) -> float:
    """A number of a query, cut to `highest`; 0 when left out. :raises NotOneOf: it is none."""
    value = query.get(name, "0")
    if not _NUMBER.fullmatch(value):
        raise NotOneOf(f"{name} must be a number")
    return min(float(value), highest)
