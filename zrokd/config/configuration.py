"""What a daemon runs by: everything in it was checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from zrokd.config.schema import HealthSettings, LogSettings, TopLevel
from zrokd.contracts import Component, Settings, Use
from zrokd.errors import Problem
from zrokd.model.units import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One component that the configuration names."""

    slot: str
    name: str  # of the plugin
    instance: str  # a role's key; elsewhere the plugin's name, numbered from the second on
    component: type[Component]
    settings: Settings
    path: str  # where it stands, for messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What a daemon runs by. `secrets` must never be logged; `warnings` should be, at the start."""

    version: int
    log: LogSettings
    state_dir: Path
    drain_s: float
    health: HealthSettings
    plugin_path: tuple[Path, ...]
    storage: Plan | None
    overlay: Plan | None
    auth: tuple[Plan, ...]
    sinks: tuple[Plan, ...]
    observers: tuple[Plan, ...]
    roles: dict[str, Plan]
    secrets: frozenset[Secret]
    files: tuple[Path, ...] = ()  # what it was read from
    warnings: tuple[Problem, ...] = ()
    frozen: bytes = field(default=b"", repr=False, compare=False)  # for `thaw`; it holds the secrets
    top: TopLevel = field(repr=False)  # the same as one tree of settings


def plan(slot: str, use: Use | None, path: str, instance: str = "") -> Plan | None:
    """The plan of a component; None for none."""
    if use is None:
        return None
    return Plan(
        slot=slot,
        name=use.use,
        instance=instance or use.use,
        component=use.component,
        settings=use.settings,
        path=path,
    )


def plans(slot: str, key: str, uses: list[Use]) -> tuple[Plan, ...]:
    """The plans of an ordered slot."""
    made: list[Plan] = []
    for index, use in enumerate(uses):
        number = 1 + sum(one.name == use.use for one in made)
        one = plan(slot, use, f"{key}[{index}]", f"{use.use}-{number}" if number > 1 else "")
        made += [one] if one is not None else []
    return tuple(made)
