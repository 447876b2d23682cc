"""SIGHUP: what changes, and how it is taken up without half a step."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from zrokd.config.together import meet
from zrokd.config.values import find_all
from zrokd.contracts import Component, Role
from zrokd.errors import RestartNeeded, StartError, ZrokdError
from zrokd.host.components import Components, plans_of
from zrokd.model.units import Address

if TYPE_CHECKING:
    from zrokd.config.load import Configuration, Plan

_FIXED = ("state_dir", "health", "storage", "overlay")


class Reload:
    """One step from an old configuration to a new one. `apply`, then `retired` holds the roles to be drained."""

    def __init__(self, components: Components, old: Configuration, new: Configuration, log: logging.Logger) -> None:
        self._components, self._old, self._new, self._log = components, old, new, log
        self.retired: list[Role] = []
        self.changed: list[str] = []  # key paths

    def apply(self) -> None:
        """Make the running components those of the new configuration. Switches greenlets.

        All or nothing: what fails is raised, and everything is as it was.
        :raises RestartNeeded: names the keys that only a restart can change.
        :raises ZrokdError: a component or role could not take up its new settings.
        """
        self._refuse_restarts()
        with ExitStack() as undo:
            swaps = self._open_ordered(undo)
            added = {name: self._started(name, undo) for name in self._new.roles if name not in self._old.roles}
            for name in self._both():
                self._reload_role(name, undo)
            undo.pop_all()
        self._components.roles.update(added)
        self.retired = [self._components.roles.pop(name) for name in self._old.roles if name not in self._new.roles]
        self.changed += [f"roles.{name}" for name in sorted(self._new.roles.keys() ^ self._old.roles.keys())]
        self._swap_ordered(swaps)

    # -- what cannot change ---

    def _refuse_restarts(self) -> None:
        keys = [
            key for part in _FIXED for key in _differences(part, getattr(self._old, part), getattr(self._new, part))
        ]
        keys += [
            f"roles.{name}.use"
            for name in self._both()
            if self._old.roles[name].component is not self._new.roles[name].component
        ]
        if keys:
            raise RestartNeeded(keys)

    # -- roles ---

    def _both(self) -> list[str]:
        """Roles that stay, in YAML order."""
        return [name for name in self._new.roles if name in self._old.roles]

    def _started(self, name: str, undo: ExitStack) -> Role:
        try:
            role: Role = self._components.open(self._new.roles[name])
            undo.callback(self._components.end, role)
            self._components.attempt(type(role), "started", role.serve)
        except StartError as error:
            if ours := self._held_by_us(name, str(error)):
                raise StartError(ours) from error
            raise
        return role

    def _held_by_us(self, name: str, refusal: str) -> str:
        """Which running role has the address that a new one was refused, as after a change of names; "" when none."""
        for address in _listens(self._new.roles[name]):
            for other, before in self._old.roles.items():
                if f" {address}:" in refusal and any(meet(address, taken) for taken in _listens(before)):
                    return (
                        f"roles.{name} cannot listen on {address}: roles.{other} of this daemon does until it ends; "
                        "restart the daemon, or choose another port"
                    )
        return ""

    def _reload_role(self, name: str, undo: ExitStack) -> None:
        role, before, after = self._components.roles[name], self._old.roles[name], self._new.roles[name]
        if after.settings == before.settings:
            return
        self._components.attempt(type(role), "reloaded", role.reload, after.settings)
        role.settings = after.settings
        undo.callback(self._revert, role, before)
        self.changed.append(after.path)

    def _revert(self, role: Role, before: Plan) -> None:
        try:
            self._components.attempt(type(role), "set back", role.reload, before.settings)
            role.settings = before.settings
        except ZrokdError:
            self._log.exception("%s could not go back to its old settings; restart this daemon", before.path)

    # -- auth, sinks, observers ---

    def _open_ordered(self, undo: ExitStack) -> dict[str, list[Component]]:
        """For each ordered slot that changed its components: kept ones where a plan is the same, else new ones."""
        swaps: dict[str, list[Component]] = {}
        for slot, plans in plans_of(self._new).items():
            before = list(zip(plans_of(self._old)[slot], self._components.ordered(slot), strict=True))
            if [_value(plan) for plan, _ in before] != [_value(plan) for plan in plans]:
                swaps[slot] = [self._kept(plan, before) or self._opened(plan, undo) for plan in plans]
        return swaps

    def _kept(self, plan: Plan, before: list[tuple[Plan, Component]]) -> Component | None:
        for pair in before:
            if _value(pair[0]) == _value(plan):
                before.remove(pair)
                return pair[1]
        return None

    def _opened(self, plan: Plan, undo: ExitStack) -> Component:
        component: Component = self._components.open(plan)
        undo.callback(self._components.end, component)
        return component

    def _swap_ordered(self, swaps: dict[str, list[Component]]) -> None:
        for slot, fresh in swaps.items():
            gone = [component for component in self._components.ordered(slot) if component not in fresh]
            self._components.set_ordered(slot, fresh)
            self.changed.append(slot if slot == "auth" else f"{slot}s")
            for component in gone:
                self._components.end(component)


def _listens(plan: Plan) -> list[Address]:
    return [address for path, address in find_all(Address, plan.settings) if path[-1] == "listen"]


def _value(plan: Plan | None) -> object:
    return plan and (plan.component, plan.settings)


def _differences(path: str, old: Any, new: Any) -> list[str]:
    """Key paths at which two parts of a configuration differ, as deep as both are of one kind."""
    if hasattr(old, "component") and hasattr(new, "component") and old.component is new.component:
        old, new = old.settings, new.settings
    if isinstance(old, BaseModel) and type(old) is type(new):
        return [
            key
            for name in type(old).model_fields
            for key in _differences(f"{path}.{name}", getattr(old, name), getattr(new, name))
        ]
    return [] if _value_of(old) == _value_of(new) else [path]


def _value_of(part: Any) -> object:
    return _value(part) if hasattr(part, "component") else part
