"""`zrokd plugins [FILE]`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zrokd.cli.output import JSON, table
from zrokd.errors import PluginError

if TYPE_CHECKING:
    from zrokd.config.load import Configuration, Plan
    from zrokd.contracts import Component
    from zrokd.host.registry import Registry

_COLUMNS = ("slot", "name", "distribution", "version", "state", "hooks")


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@JSON
def plugins(file: Path | None, *, as_json: bool) -> None:
    """Show installed plugins; with FILE, which of them it uses."""
    from zrokd.host.registry import Registry

    registry = Registry()
    used = _used(file, registry) if file else set()
    rows = list(_rows(registry, used, known=file is not None))
    lines = rows if as_json else [line for row in rows for line in _lines(row)]
    table(lines, _COLUMNS, as_json=as_json, none="no plugins")


def _lines(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One line, and one for each further hook: side by side they fit no terminal."""
    first, *rest = row["hooks"] or [""]
    yield {**row, "hooks": first}
    yield from ({"hooks": hook} for hook in rest)


def _rows(registry: Registry, used: set[tuple[str, str]], *, known: bool) -> Iterator[dict[str, Any]]:
    for slot, name, origin in registry.all_names():
        state, hooks = "installed", []
        try:
            hooks = _hooks(registry(slot, name))
        except PluginError as error:
            state = f"broken: {error}"
        else:
            if known:
                state = "enabled" if slot == "command" or (slot, name) in used else "not used"
        yield {
            "slot": slot,
            "name": name,
            "distribution": origin.distribution,
            "version": origin.version,
            "hooks": hooks,
            "state": state,
        }


def _hooks(component: type[Component]) -> list[str]:
    """Names of the hooks that a class implements."""
    names = [name for name in dir(component) if name.startswith("zrokd_")]
    return sorted(name for name in names if hasattr(getattr(component, name), "zrokd_impl"))


def _used(file: Path, registry: Registry) -> set[tuple[str, str]]:
    from zrokd.config.load import load

    configuration = load(file, registry=registry)
    return {(plan.component.slot, plan.component.name) for plan in _plans(configuration)} | _inside(configuration.top)


def _plans(configuration: Configuration) -> Iterator[Plan]:
    single = (configuration.storage, configuration.overlay)
    yield from (plan for plan in single if plan is not None)
    yield from (*configuration.auth, *configuration.sinks, *configuration.observers, *configuration.roles.values())


def _inside(value: Any) -> set[tuple[str, str]]:
    """Components named inside settings."""
    from pydantic import BaseModel

    from zrokd.contracts import Use

    if isinstance(value, Use):
        return {(value.component.slot, value.component.name)} | _inside(value.settings)
    if isinstance(value, BaseModel):
        return _union(getattr(value, name) for name in type(value).model_fields)
    if isinstance(value, dict):
        return _union(value.values())
    return _union(value) if isinstance(value, list | tuple) else set()


def _union(values: Any) -> set[tuple[str, str]]:
    return set().union(*(_inside(value) for value in values))


def installed_classes(registry: Registry) -> list[type[Component]]:
    """Every installed component that can be imported."""
    found = []
    for slot, name, _ in registry.all_names():
        try:
            found.append(registry(slot, name))
        except PluginError as error:
            click.echo(f"zrokd: left out {slot}.{name}: {error}", err=True)
    return found
