"""A walk over loaded settings, into lists, maps and the components they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel

from zrokd.config.tree import KeyPath
from zrokd.contracts import Use

T = TypeVar("T")


def find_all(kind: type[T], value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, T]]:
    """Every `kind` below `value`, and where it stands in the tree."""
    if isinstance(value, kind):
        yield path, value
    elif isinstance(value, Use):
        yield from find_all(kind, value.settings, path)
    else:
        for key, item in _items(value):
            yield from find_all(kind, item, (*path, key))


def models_of(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, BaseModel]]:
    """Every settings model in `value`, itself included, and where it stands; not those of components."""
    if isinstance(value, Use):
        return
    if isinstance(value, BaseModel):
        yield path, value
    for key, item in _items(value):
        yield from models_of(item, (*path, key))


def _items(value: Any) -> Iterable[tuple[str | int, Any]]:
    """What a settings model, map or list holds, by key; nothing of anything else. A partial model lacks some."""
    if isinstance(value, BaseModel):
        return [(name, getattr(value, name)) for name in type(value).model_fields if hasattr(value, name)]
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list | tuple) else ()
