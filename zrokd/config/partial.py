"""What is right of settings with mistakes: rules over several values are asked of that, too, so that none waits."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic_core import InitErrorDetails

from zrokd.config.tree import KeyPath
from zrokd.config.values import models_of
from zrokd.contracts import Use

_NOTHING = object()


def partial(model: type[BaseModel], data: dict[str, Any], wrong: Sequence[KeyPath]) -> Any:
    """An instance of `model` with its right fields alone: reading another raises AttributeError.

    `wrong` are the places below `data` of all mistakes.
    """
    below = {name: _below(wrong, name) for name in model.model_fields}
    right = {name: (field.annotation, field) for name, field in model.model_fields.items() if not below[name]}
    alone = create_model("Right", __config__=model.model_config, **right)  # type: ignore[call-overload]
    values = dict(alone.model_validate({name: data[name] for name in right if name in data}))
    for name, places in below.items():
        if places:
            values[name] = _kept(model.model_fields[name].annotation, data.get(name), places)
    instance = model.model_construct()
    instance.__dict__.clear()  # of the defaults
    instance.__dict__.update({name: value for name, value in values.items() if value is not _NOTHING})
    return instance


def _kept(annotation: Any, value: Any, wrong: list[KeyPath]) -> Any:
    """What can be kept of a value with mistakes: of models their right fields, and lists and maps of such."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType, typing.Annotated):
        chosen = [kept for inner in arguments if (kept := _kept(inner, value, wrong)) is not _NOTHING]
        return chosen[0] if len(chosen) == 1 else _NOTHING
    if _is_settings(annotation) and isinstance(value, dict):
        return partial(annotation, value, wrong)
    if origin is list and _is_settings(arguments[0]) and isinstance(value, list):
        items = [_kept(arguments[0], item, _below(wrong, index)) for index, item in enumerate(value)]
        return _NOTHING if any(item is _NOTHING for item in items) else items
    if origin is dict and _is_settings(arguments[1]) and isinstance(value, dict):
        kept = {key: _kept(arguments[1], item, _below(wrong, key)) for key, item in value.items()}
        return _NOTHING if any(item is _NOTHING for item in kept.values()) else kept
    return _NOTHING


def _below(wrong: Sequence[KeyPath], part: int | str) -> list[KeyPath]:
    return [path[1:] for path in wrong if path[:1] == (part,)]


def _is_settings(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation is not Use


def broken_rules(instance: BaseModel) -> ValidationError | None:
    """The rules over several values that a partial instance breaks, and those that its parts break; None: none.

    A rule that asks for a value which is not there cannot be told yet.
    """
    found = [
        InitErrorDetails(type="value_error", loc=path, input=None, ctx={"error": error})
        for path, part in models_of(instance)
        for error in _broken(part)
    ]
    return ValidationError.from_exception_data(type(instance).__name__, found) if found else None


def _broken(part: BaseModel) -> Iterator[ValueError]:
    for rule in type(part).__pydantic_decorators__.model_validators.values():
        if rule.info.mode == "after":
            try:
                ask(rule.func, part)
            except ValueError as error:
                yield error


def ask(rule: Callable[..., Any], *values: Any) -> Any:
    """What a rule says of partial settings; None where it asks for what is not there."""
    try:
        return rule(*values)
    except (AttributeError, TypeError):
        return None
