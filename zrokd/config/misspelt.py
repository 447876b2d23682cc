"""Misspelt keys: the one that was meant is there and cannot be read, so that no rule misses it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from zrokd.config.tree import UNREAD, KeyPath, Tree, at
from zrokd.config.uses import models_in, slot_of
from zrokd.config.words import nearest


def stand_in(model: type[BaseModel], data: dict[str, Any], base: KeyPath, tree: Tree) -> None:
    """Write into `data`, meant for `model`, what misspelt keys mean; note what they mean beside a component."""
    for path, inner, values in list(models_in(model, data, base)):
        for key in [key for key in values if key not in inner.model_fields] if _knows_its_keys(inner) else ():
            meant = nearest(key.partition(":")[0], [*inner.model_fields, *tree.beside((*path, key))])
            if meant in inner.model_fields:
                _put(values, meant, tree.as_written((*path, meant)), tree)
            elif meant:
                tree.misspelt.add((*tree.as_written((*path, key))[:-1], meant))


def stand_in_beside(data: dict[str, Any], base: KeyPath, tree: Tree) -> None:
    """The same for those that were noted meanwhile by components in `data`, beside whose keys they stand."""
    written = tree.as_written(base)
    for place in [place for place in tree.misspelt if place[: len(written)] == written]:
        holder = at(data, place[len(written) : -1])
        tree.misspelt.discard(place)
        _put(holder, str(place[-1]), place, tree)


def _put(values: dict[str, Any], key: str, place: KeyPath, tree: Tree) -> None:
    if key not in values:
        values[key] = UNREAD
        tree.broken.add(place)


def _knows_its_keys(model: type[BaseModel]) -> bool:
    """Whether other keys are mistakes, and not a component's."""
    beside = any((slot := slot_of(field.metadata)) and slot.beside for field in model.model_fields.values())
    return model.model_config.get("extra") == "forbid" and not beside
