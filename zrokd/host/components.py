"""The open components of one daemon: made in order, ended in reverse."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent

from zrokd.contracts import Component, Overlay, Role, Storage
from zrokd.errors import PluginError, ZrokdError
from zrokd.host.context import HostContext
from zrokd.host.greenlets import Threads
from zrokd.host.plugins import PluginHost
from zrokd.host.registry import Registry
from zrokd.host.sockets import Sockets
from zrokd.net.faults import within
from zrokd.net.scales import Scales

if TYPE_CHECKING:
    from zrokd.config.load import Configuration, Plan

ORDERED = ("auth", "sink", "observer")
_CLOSE_S = 10.0


class Components:
    """Everything that is open now. State of the daemon lives here and nowhere else."""

    def __init__(self, state_dir: Path, registry: Registry, sockets: Sockets, log: logging.Logger) -> None:
        self.state_dir = state_dir
        self.plugins = PluginHost(registry, log)
        self.sockets = sockets
        self.threads = Threads()
        self.storage: Storage | None = None
        self.overlay: Overlay | None = None
        self.roles: dict[str, Role] = {}
        self.on_failure: Callable[[ZrokdError], None] = self._log_failure  # told what ends the daemon
        self.registry, self._log = registry, log
        self._ordered: dict[str, tuple[Component, ...]] = dict.fromkeys(ORDERED, ())
        self._contexts: dict[Component, HostContext] = {}
        self._scales: dict[str, Scales] = {}  # by label of the role
        self._named: list[Component] = []  # those that the YAML's top level names, in the order of opening

    # -- what there is ---

    def ordered(self, slot: str) -> Sequence[Component]:
        """The open components of auth, sink or observer, in YAML order."""
        return self._ordered[slot]

    def named(self) -> dict[str, Component]:
        """The components of the YAML's top level by `slot.instance`, in the order of opening."""
        found: dict[str, Component] = {}
        for component in self._named:
            name, number = self.label(component), 2
            while name in found:
                name, number = f"{self.label(component)}#{number}", number + 1
            found[name] = component
        return found

    def label(self, component: Component) -> str:
        """`slot.instance` of an open component."""
        ctx = self._contexts.get(component)
        return ctx.label if ctx is not None else f"{type(component).slot}.{type(component).name}"

    def scales(self, label: str) -> Scales:
        """Those of a role, made when they are first asked for."""
        if label not in self._scales:
            self._scales[label] = Scales.make()
        return self._scales[label]

    def use_scales(self, label: str, scales: Scales) -> None:
        """Take over those of a role that this process was given."""
        self._scales[label] = scales

    def __len__(self) -> int:
        return len(self._contexts)

    def _log_failure(self, error: ZrokdError) -> None:
        self._log.error("%s", error)

    # -- opening ---

    def open_all(self, configuration: Configuration) -> None:
        """Open storage, overlay, the ordered slots, roles, in this order. :raises ZrokdError: one failed."""
        if configuration.storage is not None:
            self.storage = self.open(configuration.storage)
        if configuration.overlay is not None:
            self.overlay = self.open(configuration.overlay)
        for slot, plans in plans_of(configuration).items():
            self.set_ordered(slot, [self.open(plan) for plan in plans])
        for name, plan in configuration.roles.items():
            self.roles[name] = self.open(plan)

    def open(self, plan: Plan) -> Any:
        """The component of a plan, open. :raises ZrokdError: its open failed; it was closed again."""
        component = self.make(plan.component, plan.settings, plan.instance)
        self._named.append(component)
        return component

    def make(self, cls: type[Component], settings: Any, instance: str) -> Component:
        """A component, open and hearing its hooks. :raises ZrokdError: its open failed; it was closed again."""
        ctx = HostContext(self, cls.slot, instance)
        component: Component = self.attempt(cls, "made", cls, settings, ctx)
        self._contexts[component] = ctx
        try:
            self.attempt(cls, "opened", component.open)
            self.plugins.register(component, ctx.label)
        except BaseException:
            self.end(component)
            raise
        return component

    def attempt(self, cls: type[Component], done: str, call: Callable[..., Any], *args: object) -> Any:
        """`call(*args)` of a plugin. :raises ZrokdError: as it was raised; anything else becomes a PluginError."""
        try:
            return call(*args)
        except (ZrokdError, gevent.GreenletExit):
            raise
        except BaseException as error:
            origin = self.registry.origin(cls)
            who = f"{cls.slot}.{cls.name}" + (f" of {origin}" if origin else "")
            self._log.debug("%s could not be %s", who, done, exc_info=True)
            raise PluginError(f"{who} could not be {done}: {type(error).__name__}: {error}") from error

    def set_ordered(self, slot: str, components: Sequence[Component]) -> None:
        """From now on these, in this order."""
        self._ordered[slot] = tuple(components)
        self.plugins.reorder([component for kind in ORDERED for component in self._ordered[kind]])

    # -- ending ---

    def end(self, component: Component) -> None:
        """Close a component, then what it built, then kill its greenlets. Never raises. Switches greenlets."""
        ctx = self._contexts.get(component)
        if ctx is None or ctx.ending:
            return
        ctx.ending = True
        self.plugins.unregister(component)
        try:
            within(_CLOSE_S, component.close)
        except gevent.GreenletExit:
            raise
        except BaseException:
            self._log.exception("%s could not be closed", ctx.label)
        ctx.end()
        del self._contexts[component]
        if component in self._named:
            self._named.remove(component)

    def end_all(self) -> None:
        """Close everything in reverse order, then the sockets and threads. Idempotent. Switches greenlets."""
        for component in reversed(self._named.copy()):
            self.end(component)
        self.storage = self.overlay = None
        self.roles.clear()
        self._ordered = dict.fromkeys(ORDERED, ())
        self.sockets.close()
        self.threads.close()
        while self._scales:
            self._scales.popitem()[1].close()


def plans_of(configuration: Configuration) -> dict[str, tuple[Plan, ...]]:
    """The plans of the ordered slots, by slot."""
    return {"auth": configuration.auth, "sink": configuration.sinks, "observer": configuration.observers}
