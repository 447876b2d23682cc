"""Types and defaults of settings fields as the reference names them."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from zrokd.config.uses import annotation_of, slot_of
from zrokd.contracts import Use
from zrokd.model.units import Address, Secret

_NAMES = {
    str: "text", int: "integer", float: "number", bool: "true or false", Address: "address", Secret: "secret",
}  # fmt: skip
_UNITS = {"_duration": "duration", "_size": "size", "_address": "address", "_secret": "secret", "_url": "URL"}
_DAY_S = 86400
_SIZES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def kind_of(field: FieldInfo) -> str:
    """The type of a field, in markdown."""
    if slot_of(field.metadata) is not None:
        return _named(annotation_of(field))
    return _unit(field.metadata) or _named(field.annotation)


def default_of(field: FieldInfo) -> str:
    """The default of a field, in markdown; "required" when there is none, "" when it is nothing."""
    slot = slot_of(field.metadata)
    if slot is not None and slot.default:
        return f"`{slot.default}`"
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None or default == "" or isinstance(default, BaseModel | Secret) or default is PydanticUndefined:
        return ""
    return f"`{_written(default, kind_of(field))}`"


def models_in(annotation: Any, where: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The settings models in a field that stands at `where`, and where they stand: `shares[]`, `namespaces.*`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation is not Use:
        yield where, annotation
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is dict:
        yield from models_in(arguments[1], f"{where}.*")
    elif origin in (list, tuple, set, frozenset):
        yield from models_in(arguments[0], f"{where}[]")
    elif origin in (typing.Union, types.UnionType, typing.Annotated):
        for argument in arguments:
            yield from models_in(argument, where)


def _named(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        slot = slot_of(arguments[1:])
        return f"[{slot.slot}](#{slot.slot})" if slot else _unit(arguments[1:]) or _named(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_named(argument) for argument in arguments if argument is not types.NoneType)
    if origin is typing.Literal:
        return " \\| ".join(f"`{argument}`" for argument in arguments)
    if origin in (list, tuple, set, frozenset):
        return f"list of {_named(arguments[0])}"
    if origin is dict:
        return f"map to {_named(arguments[1])}"
    return _NAMES.get(
        annotation, "keys" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else "text"
    )


def _unit(metadata: Iterable[Any]) -> str:
    functions = [getattr(getattr(item, "func", None), "__name__", "") for item in metadata]
    return next((word for name, word in _UNITS.items() if name in functions), "")


def _written(value: Any, kind: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Use):
        return value.use
    if isinstance(value, list | tuple):
        return f"[{', '.join(_written(item, kind) for item in value)}]"
    if kind == "duration":
        return f"{value / _DAY_S:g}d" if value and value % _DAY_S == 0 else f"{value:g}s"
    if kind == "size":
        return next((f"{value // size}{unit}" for size, unit in _SIZES if value and value % size == 0), str(value))
    return str(value)
