"""A tree -> settings, components resolved all the way down, every mistake kept."""

from __future__ import annotations

from typing import Any, Protocol

from pydantic import ValidationError

from zrokd.config import scalars
from zrokd.config.faults import fault
from zrokd.config.masking import learn
from zrokd.config.misspelt import stand_in, stand_in_beside
from zrokd.config.partial import ask, broken_rules, partial
from zrokd.config.problems import MOST, paths_of, problem_of, problems_of
from zrokd.config.tree import KeyPath, Tree, at
from zrokd.config.uses import gather, uses_in
from zrokd.config.values import models_of
from zrokd.contracts import Component, Mistake, Settings, Use
from zrokd.contracts.rules import gathered
from zrokd.errors import PluginError


class Lookup(Protocol):
    """Finds component classes; the host's registry is one."""

    def __call__(self, slot: str, name: str) -> type[Component]:
        """The class of `slot.name`. :raises PluginError: there is none, or it is broken."""


def check(model: type[Settings], data: dict[str, Any], base: KeyPath, tree: Tree, registry: Lookup) -> tuple[Any, bool]:
    """An instance of `model` with all its components resolved, and whether it is whole. `data` stands at `base`.

    Mistakes go to the tree; with some, the instance lacks what is wrong, or is None where nothing can be kept. What a
    file may leave out is written into `data`.
    """
    stand_in(model, data, base, tree)
    gather(model, data, base, tree)
    learn(model, data, base, tree)
    told = len(tree.problems)
    parts = [
        (found, _resolve(at(data, found.path), found.slot, (*base, *found.path), tree, registry))
        for found in uses_in(model, data)
    ]
    stand_in_beside(data, base, tree)
    inside, tree.problems[told:] = tree.problems[told:], []
    instance, whole = _validate(model, data, base, tree)
    tree.problems += inside  # without files, what is outside is named first
    for found, (component, settings, right) in parts:
        whole &= right
        if settings is not None and (use := _use_at(instance, found.path)) is not None:
            use.resolve(component, settings)
    _note_misfits(instance, base, tree, whole=whole)
    return instance, whole


def _use_at(instance: Any, path: KeyPath) -> Use | None:
    """The component's place in an instance; None where a mistake took it away."""
    try:
        use = at(instance, path)
    except LookupError:
        return None
    return use if isinstance(use, Use) else None


def _note_misfits(instance: Any, base: KeyPath, tree: Tree, *, whole: bool) -> None:
    for path, part in models_of(instance, base):
        if not isinstance(part, Settings):
            continue
        for mistake in _misfits(part) if whole else ask(_misfits, part) or ():
            tree.problems.append(problem_of(mistake, path, tree))
        for mistake in part.caution() if whole else ():
            tree.warnings.append(problem_of(mistake, path, tree))


def _misfits(part: Settings) -> list[Mistake]:
    return gathered(part.misfit())


def _resolve(entry: Any, slot: str, path: KeyPath, tree: Tree, registry: Lookup) -> tuple[Any, Any, bool]:
    """Class and settings of one component, and whether these are whole; Nones where it has no name, which was said."""
    options = {"use": entry} if isinstance(entry, str) else dict(entry)
    name = options.pop("use", None)
    if not isinstance(name, str):
        return None, None, False
    try:
        component = registry(slot, name)
    except PluginError as error:
        _refuse_plugin(error, name, path, tree)
        return None, None, False
    try:
        return component, *check(component.Settings, options, path, tree, registry)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's validators, rules, misfit and caution
        _refuse_plugin(fault(error, component, registry), name, path, tree)
        return component, None, False


def _refuse_plugin(error: PluginError, name: str, path: KeyPath, tree: Tree) -> None:
    """Keep it where the name stands: at `use`, at a key that stands for one, or at the value."""
    hint = str(getattr(error, "hint", ""))
    if hint and any(problem.path.startswith("plugin_path[") for problem in tree.problems):
        return  # it may be the one that could not be read, which was said
    message = str(error).removesuffix(f"; {hint}") if hint else str(error)
    named = (*path, "use") in tree.values
    tree.refuse(message, (*path, "use") if named else path, key=not named and name == path[-1], hint=hint)


def _validate(model: type[Settings], data: dict[str, Any], base: KeyPath, tree: Tree) -> tuple[Any, bool]:
    """An instance of `model`, and whether it is whole: mistakes, which are added to the tree, leave what is right."""
    try:
        return model.model_validate(data), True
    except ValidationError as error:
        if _read_as_yaml(paths_of(error, data), data, base, tree):
            return _validate(model, data, base, tree)
        tree.problems += problems_of(error, model, data, base, tree)
        if error.error_count() > MOST:
            return None, False
        return _rest(model, data, paths_of(error, data), base, tree), False


def _rest(model: type[Settings], data: dict[str, Any], wrong: list[KeyPath], base: KeyPath, tree: Tree) -> Any:
    """What is right of `data`, after the rules over several values that it breaks were added to the tree."""
    instance = partial(model, data, wrong)
    if (error := broken_rules(instance)) is not None:
        told = problems_of(error, model, data, base, tree)
        tree.problems += [problem for problem in told if problem not in tree.problems]
    return instance


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
