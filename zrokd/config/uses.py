"""Where a settings model names components: found by its annotations, so that one wrong key hides no other."""

from __future__ import annotations

import copy
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zrokd.config.tree import UNREAD, KeyPath, Tree
from zrokd.contracts.settings import UseSlot


@dataclass(frozen=True, slots=True)
class Found:
    """A component named in a file."""

    path: KeyPath  # below the model
    slot: str
    default: str  # the plugin when `use:` is left out; empty: it must not be


def uses_in(model: type[BaseModel], data: Any) -> list[Found]:
    """Every component named in `data`, which is meant for `model`; also where `data` is wrong elsewhere."""
    return [
        found
        for path, inner, values in models_in(model, data, ())
        for name, field in inner.model_fields.items()
        if name in values
        for found in _named(annotation_of(field), values[name], (*path, name))
    ]


def gather(model: type[BaseModel], data: Any, base: KeyPath, tree: Tree) -> None:
    """Write into `data` what a file may leave out: default components, `use:`, and the entry of keys that stand beside.

    The latter belong into its entry where `slot_use(..., beside=True)` says so.
    """
    for path, inner, values in list(models_in(model, data, base)):
        for name, field in inner.model_fields.items():
            default = field.get_default(call_default_factory=True) if name not in values else None
            if default and list(_named(annotation_of(field), default, ())):
                values[name] = copy.deepcopy(default)
            slot = slot_of(field.metadata)
            if slot is not None and slot.beside:
                _gather_one(values, name, slot, inner, path, tree)
    for found in uses_in(model, data):
        _fill_use(data, found)


def _gather_one(
    values: dict[str, Any], name: str, slot: UseSlot, model: type[BaseModel], path: KeyPath, tree: Tree
) -> None:
    entry = values.get(name, slot.default)
    if isinstance(entry, str):
        entry = {"use": entry}
        tree.open((*path, name), path)
    others = [key for key in values if key not in model.model_fields]
    for key in others if entry is UNREAD else ():
        del values[key]  # nobody knows whose it is
    if not isinstance(entry, dict):
        return
    for key in others:
        if key in entry:
            tree.refuse(f"the key stands both in `{name}` and beside it", (*path, key), key=True)
            values.pop(key)
            continue
        entry[key] = values.pop(key)
        tree.move((*path, name, key), (*path, key), model.model_fields)
    values[name] = entry


def _fill_use(data: Any, found: Found) -> None:
    """Write out the plugin's name where its place says it."""
    for part in found.path[:-1]:
        data = data[part]
    last: Any = found.path[-1]
    if data[last] is None and found.default == last:
        data[last] = {}
    if isinstance(data[last], dict) and found.default:
        data[last].setdefault("use", found.default)


def models_in(annotation: Any, value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, type[BaseModel], dict[str, Any]]]:
    """Every settings model that `value` holds, itself included; not those of components."""
    for inner, item, place in _inside(annotation, value, path):
        yield from models_in(inner, item, place)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and isinstance(value, dict):
        yield path, annotation, value
        for name, field in annotation.model_fields.items():
            if name in value:
                yield from models_in(annotation_of(field), value[name], (*path, name))


def _named(annotation: Any, value: Any, path: KeyPath, key: str = "") -> Iterator[Found]:
    slot = _slot_in(annotation)
    if slot is not None:
        if isinstance(value, dict | str) or (value is None and key):
            yield Found(path, slot.slot, key or slot.default)
        return
    is_map = typing.get_origin(annotation) is dict
    for inner, item, place in _inside(annotation, value, path):
        yield from _named(inner, item, place, str(place[-1]) if is_map else "")


def _inside(annotation: Any, value: Any, path: KeyPath) -> Iterator[tuple[Any, Any, KeyPath]]:
    """One step into unions, lists and maps: (annotation, value, path) of what they hold."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated and _slot_in(annotation) is None:
        yield arguments[0], value, path
    elif origin in (typing.Union, types.UnionType):
        yield from ((argument, value, path) for argument in arguments)
    elif origin in (list, tuple) and isinstance(value, list):
        yield from ((arguments[0], item, (*path, index)) for index, item in enumerate(value))
    elif origin is dict and isinstance(value, dict):
        yield from ((arguments[1], item, (*path, key)) for key, item in value.items())


def annotation_of(field: FieldInfo) -> Any:
    """A field's annotation with its slot, which pydantic takes apart."""
    slot = slot_of(field.metadata)
    return typing.Annotated[field.annotation, slot] if slot else field.annotation


def slot_of(metadata: Iterable[Any]) -> UseSlot | None:
    """The slot among a field's annotations."""
    return next((item for item in metadata if isinstance(item, UseSlot)), None)


def _slot_in(annotation: Any) -> UseSlot | None:
    if typing.get_origin(annotation) is not typing.Annotated:
        return None
    return slot_of(typing.get_args(annotation)[1:])
