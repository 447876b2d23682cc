"""A tree -> settings, components resolved all the way down, every mistake kept."""

from __future__ import annotations

from typing import Any, Protocol

from pydantic import ValidationError

from zrokd.config import scalars
from zrokd.config.masking import learn
from zrokd.config.problems import paths_of, problems_of
from zrokd.config.tree import KeyPath, Tree, at
from zrokd.config.uses import gather, models_in, uses_in
from zrokd.contracts import Component, Settings
from zrokd.errors import PluginError


class Lookup(Protocol):
    """Finds component classes; the host's registry is one."""

    def __call__(self, slot: str, name: str) -> type[Component]:
        """The class of `slot.name`. :raises PluginError: there is none, or it is broken."""


def check(model: type[Settings], data: dict[str, Any], base: KeyPath, tree: Tree, registry: Lookup) -> Any:
    """An instance of `model` with all its components resolved, or None. `data` stands at `base` of the tree.

    Mistakes go to the tree. What a file may leave out is written into `data`.
    """
    gather(model, data, base, tree)
    learn(model, data, base, tree)
    uses = uses_in(model, data)
    instance = _validate(model, data, base, tree)
    complete = instance is not None
    for found in uses:
        entry = at(data, found.path)
        component, settings = _resolve(entry, found.slot, (*base, *found.path), tree, registry)
        if instance is not None and settings is not None:
            at(instance, found.path).resolve(component, settings)
        complete &= settings is not None
    if complete:
        _note_misfits(model, data, instance, base, tree)
    return instance


def _note_misfits(model: type[Settings], data: dict[str, Any], instance: Any, base: KeyPath, tree: Tree) -> None:
    for path, _, _ in models_in(model, data, ()):
        part = at(instance, path)
        if not isinstance(part, Settings):
            continue
        if sentence := part.misfit():
            tree.refuse(sentence, (*base, *path))
        if sentence := part.caution():
            place = (*base, *path)
            tree.warnings.append(tree.problem(sentence, place, hint=tree.files_of(place)))


def _resolve(entry: Any, slot: str, path: KeyPath, tree: Tree, registry: Lookup) -> tuple[Any, Any]:
    """Class and settings of one component; (None, None) where it has no name, which was said already."""
    options = {"use": entry} if isinstance(entry, str) else dict(entry)
    name = options.pop("use", None)
    if not isinstance(name, str):
        return None, None
    try:
        component = registry(slot, name)
    except PluginError as error:
        _refuse_plugin(error, name, path, tree)
        return None, None
    return component, check(component.Settings, options, path, tree, registry)


def _refuse_plugin(error: PluginError, name: str, path: KeyPath, tree: Tree) -> None:
    """Keep it where the name stands: at `use`, at a key that stands for one, or at the value."""
    hint = str(getattr(error, "hint", ""))
    message = str(error).removesuffix(f"; {hint}") if hint else str(error)
    named = (*path, "use") in tree.values
    tree.refuse(message, (*path, "use") if named else path, key=not named and name == path[-1], hint=hint)


def _validate(model: type[Settings], data: dict[str, Any], base: KeyPath, tree: Tree) -> Any:
    """An instance of `model`, or None with the mistakes added to the tree."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        if _read_as_yaml(paths_of(error, data), data, base, tree):
            return _validate(model, data, base, tree)
        tree.problems += problems_of(error, model, data, base, tree)
        if _drop_unknown(error, data):
            _validate(model, data, base, tree)  # rules over several keys are asked only when each of them is right
        return None


def _drop_unknown(error: ValidationError, data: dict[str, Any]) -> bool:
    """Take the keys out that nobody knows; whether nothing else was wrong."""
    unknown = paths_of(error, data, all_of="extra_forbidden")
    if len(unknown) != error.error_count():
        return False
    for path in unknown:
        at(data, path[:-1]).pop(path[-1])
    return True


def _read_as_yaml(paths: list[KeyPath], data: dict[str, Any], base: KeyPath, tree: Tree) -> bool:
    """Where a referenced text was not taken, try the number, truth or nothing that it would be in a file."""
    changed = False
    for path in paths:
        if path and tree.as_written((*base, *path)) in tree.origins:
            holder, value = at(data, path[:-1]), at(data, path)
            better = scalars.plain(value) if isinstance(value, str) else value
            changed |= better is not value and better != value
            holder[path[-1]] = better
    return changed
