"""A plugin module before anything of it runs: its hooks are spelt right, and its classes fit their slots."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pluggy

from zrokd import hookspecs
from zrokd.contracts import SLOTS, Component
from zrokd.errors import PluginError

_OTHERS = re.compile("request|response|visit")  # what others call an exchange
_PREFIX = "zrokd_"
_PROVIDE = "zrokd_provide_"


def new_manager() -> pluggy.PluginManager:
    """A plugin manager that knows every hook of zrokd."""
    manager = pluggy.PluginManager("zrokd")
    manager.add_hookspecs(hookspecs)
    return manager


def classes_of(module: ModuleType, who: str) -> tuple[type[Component], ...]:
    """The component classes that `module` provides. `who` names module and distribution in errors.

    :raises PluginError: a hook is misspelt, unmarked or asks for what it is not given, or a class does not fit.
    """
    hooks = check_hooks(module, who)
    if told := [hook for hook in hooks if not hook.startswith(_PROVIDE)]:
        raise PluginError(f"{who}: {told[0]} stands in the module; make it a method of a component")
    found = []
    for slot, base in SLOTS.items():
        hook = f"{_PROVIDE}{slot}s"
        for cls in _ask(module, hook, who) if hook in hooks else ():
            _check_class(cls, base, f"{who}: {hook}")
            check_hooks(cls, f"{who}: {cls.__name__}")
            found.append(cls)
    return tuple(found)


def check_hooks(plugin: Any, who: str) -> list[str]:
    """Names of the hooks that a module, class or instance implements. :raises PluginError: one is wrong; says how."""
    marked = hooks_of(plugin)
    if not marked:
        return []
    manager = new_manager()
    try:
        manager.register(plugin, who)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{who}: {_reason(error, manager)}") from error
    return marked


def hooks_of(plugin: Any) -> list[str]:
    """Names that are marked as hook implementations, right or wrong; nothing is called to find out.

    :raises PluginError: a function is named like a hook and not marked.
    """
    names = []
    for name, value in _functions(plugin):
        if hasattr(value, "zrokd_impl"):
            names.append(name)
        elif _is_hook(name):
            raise PluginError(f"{_name_of(plugin)}: {name} is not marked with @zrokd.hookimpl")
    return names


def _functions(plugin: Any) -> Iterator[tuple[str, Any]]:
    holder = plugin if isinstance(plugin, ModuleType | type) else type(plugin)
    for name in dir(holder):
        if not name.startswith("__") and inspect.isroutine(value := inspect.getattr_static(holder, name)):
            yield name, value


def _is_hook(name: str) -> bool:
    return name.startswith(_PREFIX) and inspect.isfunction(getattr(hookspecs, name, None))


def _name_of(plugin: Any) -> str:
    return str(getattr(plugin, "__name__", type(plugin).__name__))


def _reason(error: pluggy.PluginValidationError, manager: pluggy.PluginManager) -> str:
    """The manager's error as one line, with the name that was probably meant."""
    known = {name for name in vars(hookspecs) if _is_hook(name)}
    for hook in vars(manager.hook).values():
        if getattr(hook, "spec", True) is None:
            close = difflib.get_close_matches(_OTHERS.sub("exchange", hook.name), known, 1)
            return f"there is no hook {hook.name}" + (f"; did you mean {close[0]}?" if close else "")
    return " ".join(str(error).splitlines()[-1:]) or "a hook is wrong"


def _ask(module: ModuleType, hook: str, who: str) -> list[Any]:
    try:
        given = getattr(module, hook)()
        if not inspect.isclass(given):
            return list(given)
    except (Exception, SystemExit) as error:
        raise PluginError(f"{who}: {hook} failed: {type(error).__name__}: {error}") from error
    raise PluginError(f"{who}: {hook} must return a list: write return [{given.__name__}]")


def _check_class(cls: Any, base: type[Component], where: str) -> None:
    if not (inspect.isclass(cls) and issubclass(cls, base)):
        raise PluginError(f"{where} gives {cls!r}, which is no {base.__name__}")
    if inspect.isabstract(cls):
        lacks = ", ".join(sorted(cls.__abstractmethods__))
        raise PluginError(f"{where} gives {cls.__name__}, which lacks {lacks}")
    for name, method in _methods(base):
        if lack := _lack(method, getattr(cls, name)):
            raise PluginError(f"{where} gives {cls.__name__}, whose {name} {lack}")
    if not isinstance(getattr(cls, "name", None), str) or not cls.name:
        raise PluginError(f"{where} gives {cls.__name__}, which has no name")
    if has_settings(cls) and not _is_settings(cls.Settings):
        raise PluginError(f"{where} gives {cls.__name__}, whose Settings are no zrokd.contracts.Settings")


def _methods(base: type[Component]) -> Iterator[tuple[str, Any]]:
    """What the contract of a slot has the host call."""
    found = {name: value for each in reversed(base.__mro__) for name, value in vars(each).items()}
    for name, value in found.items():
        if inspect.isfunction(value) and (name == "__init__" or not name.startswith("_")):
            yield name, value


def _lack(wanted: Any, given: Any) -> str:
    """Why a method cannot be called as its contract says; "" when it can."""
    if not callable(given):
        return f"is no method; write def {wanted.__name__}{_plain(wanted)}"
    try:
        signature = inspect.signature(given)
    except (TypeError, ValueError):
        return ""
    parameters = list(inspect.signature(wanted).parameters.values())
    ordered = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    named = {each.name: None for each in parameters if each.kind is each.KEYWORD_ONLY}
    try:
        signature.bind(*ordered, **named)
    except TypeError:
        return f"is written {wanted.__name__}{_plain(given)} and called as {wanted.__name__}{_plain(wanted)}"
    return ""


def _plain(function: Any) -> str:
    """What a function takes, without types: (self, head, route)."""
    signature = inspect.signature(function)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def has_settings(cls: type[Component]) -> bool:
    """Whether a class names Settings of its own. Does not look at them: those of Component would import pydantic."""
    return any("Settings" in vars(base) for base in cls.__mro__ if base is not Component)


def _is_settings(cls: Any) -> bool:
    from zrokd.contracts import Settings

    return inspect.isclass(cls) and issubclass(cls, Settings)
