"""pydantic's errors with their places in the files."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from zrokd.config.masking import is_secret
from zrokd.config.tree import KeyPath, Origin, Tree, legible
from zrokd.config.words import guess, nothing_of, show, wanted, words_for
from zrokd.contracts import Mistake, Use
from zrokd.contracts.rules import Mistakes
from zrokd.errors import Problem

MOST = 100  # mistakes of one section; who made more has other troubles
_TELLING = 6  # this many characters of a referenced value in a message are too many


def problems_of(error: ValidationError, model: type[BaseModel], data: Any, base: KeyPath, tree: Tree) -> list[Problem]:
    """Each of pydantic's errors as a Problem with its place. `base` is where `data`, meant for `model`, stands."""
    places: dict[KeyPath, list[Mapping[str, Any]]] = {}
    told: list[Problem] = []
    for item in error.errors(include_url=False)[:MOST]:
        broken, path = item.get("ctx", {}).get("error"), _in_data(item, data)
        if isinstance(broken, Mistakes):
            told += [problem_of(mistake, (*base, *path), tree) for mistake in broken.found[:MOST]]
        else:
            places.setdefault(path, []).append(item)
    return told + [
        _problem(items, model, base, path, tree) for path, items in places.items() if not tree.is_broken((*base, *path))
    ]


def problem_of(mistake: Mistake, base: KeyPath, tree: Tree) -> Problem:
    """What a rule of the settings at `base` found, with its place."""
    place = (*base, *mistake.path)
    clash = f"; the first is {tree.whereabouts((*base, *mistake.first), place)}" if mistake.first else ""
    message = mistake.sentence + clash
    for inner in tree.origins_below(base):
        message = _without(message, inner)
    return tree.problem(message, place, hint=mistake.hint or tree.files_of(place))


def paths_of(error: ValidationError, data: Any) -> list[KeyPath]:
    """Where in `data` the first of the errors are."""
    return [_in_data(item, data) for item in error.errors(include_url=False)[:MOST]]


def _in_data(item: Mapping[str, Any], data: Any) -> KeyPath:
    """The error's location without the names of union members and validators that pydantic puts in."""
    path: KeyPath = ()
    for part in item["loc"]:
        known = part in data if isinstance(data, dict) else isinstance(data, list | tuple) and isinstance(part, int)
        if known:
            data = data[part]
        elif item["type"] != "missing" or part != item["loc"][-1]:
            continue
        path = (*path, part)
    return path


def _problem(
    items: Sequence[Mapping[str, Any]], model: type[BaseModel], base: KeyPath, path: KeyPath, tree: Tree
) -> Problem:
    """One problem for all errors of a place; there are several where a value may be of several types."""
    item, place = items[0], (*base, *path)
    last = str(path[-1]) if path else ""
    if item["type"] == "missing":
        return tree.problem(f"the key {last!r} is missing", place, key=True)
    if item["type"] == "extra_forbidden":
        known = [*fields_at(model, path[:-1]), *tree.beside(place)]
        name, colon, _ = last.partition(":")
        hint = "put a blank behind the colon" if colon and name in known else guess(name, known)
        return tree.problem(f"unknown key {legible(last)!r}", place, key=True, hint=hint)
    origin = tree.origins.get(tree.as_written(place))
    shown = show(item.get("input"))
    if isinstance(item.get("input"), str | int) and is_secret(tree.as_written(place), tree):
        shown = "the value"
    shown = f"the value of {origin.words}" if origin and origin.words else shown
    message, hint = _words(items, shown)
    for inner in tree.origins_below(place):
        message = hide(message, inner)
    return tree.problem(message, place, hint=hint or tree.files_of(place))


def _words(items: Sequence[Mapping[str, Any]], shown: str) -> tuple[str, str]:
    telling = next((item for item in items if not wanted(item["type"])), None)
    if telling is not None:
        return words_for(telling, shown)
    message, hint = nothing_of(items[0]["type"], shown)
    others = dict.fromkeys(wanted(item["type"]) for item in items[1:])
    others.pop(wanted(items[0]["type"]), None)
    return " or ".join([message, *others]), hint


def hide(message: str, origin: Origin) -> str:
    """`message` without the text of a reference: that may be a secret, whatever it was used for."""
    message = _without(message, origin)
    if not origin.words or len(origin.text) < _TELLING:
        return message
    named = f"the value of {origin.words}"
    rest = message.replace(named, "")
    match = difflib.SequenceMatcher(None, rest[:1000], origin.text[:1000], autojunk=False).find_longest_match()
    return message if match.size < _TELLING else f"{named} does not fit here"


def _without(message: str, origin: Origin) -> str:
    """The same, where the text stands there as it is."""
    if not origin.words or not origin.text:
        return message
    named = f"the value of {origin.words}"
    message = message.replace(repr(origin.text), named)
    return message if len(origin.text) < _TELLING else message.replace(origin.text, named)


def fields_at(model: Any, path: KeyPath) -> list[str]:
    """The keys that may stand at `path` below `model`."""
    for part in path:
        model = _inside(model, part)
    inner = _model_of(model)
    return list(inner.model_fields) if inner else []


def _inside(model: Any, part: int | str) -> Any:
    inner = _model_of(model)
    if inner is not None:
        field = inner.model_fields.get(str(part))
        return field.annotation if field else None
    arguments = [a for a in typing.get_args(model) if a is not types.NoneType]
    return arguments[-1] if arguments else None


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation is not Use:
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return next((m for a in typing.get_args(annotation) if (m := _model_of(a))), None)
    return None
