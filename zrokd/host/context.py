"""What one component is given by the host."""

from __future__ import annotations

import copy
import logging
import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from zrokd.config.check import check
from zrokd.config.tree import Tree
from zrokd.contracts import Clock, Component, Hooks, Overlay, Scales, Settings, Storage, Task, Use
from zrokd.errors import Invalid, PluginError, StartError, ZrokdError
from zrokd.host.greenlets import Greenlets
from zrokd.model.units import Address

if TYPE_CHECKING:
    from zrokd.host.components import Components

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound=Settings)
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Seconds since some start; never goes back."""
        return time.monotonic()

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000


class HostContext:
    """Implements `zrokd.contracts.Context` for one component."""

    def __init__(self, components: Components, slot: str, instance: str) -> None:
        self.label = f"{slot}.{instance}"
        self.log = logging.getLogger(f"zrokd.{self.label}")
        self.clock: Clock = SystemClock()
        self.greenlets = Greenlets(self.log)
        self.ending = False  # set by the host
        self._components = components
        self._built: list[Component] = []
        self._folder = components.state_dir / _UNSAFE.sub("_", f"{slot}-{instance}")

    @property
    def state_dir(self) -> Path:
        """This component's own folder, made when it is first asked for. :raises StartError: it cannot be made."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"cannot make the folder {self._folder}: {error.strerror}") from error
        return self._folder

    @property
    def hooks(self) -> Hooks:
        """The hooks of this daemon."""
        return self._components.plugins

    @property
    def overlay(self) -> Overlay:
        """The overlay of this daemon. :raises PluginError: the YAML has none."""
        if self._components.overlay is None:
            raise PluginError("this daemon has no overlay; add overlay: {use: local}")
        return self._components.overlay

    @property
    def storage(self) -> Storage:
        """The storage of this daemon. :raises PluginError: the YAML has none."""
        if self._components.storage is None:
            raise PluginError("this daemon has no storage; add storage: {use: sqlite}")
        return self._components.storage

    @property
    def scales(self) -> Scales:
        """As the contract says."""
        return self._components.scales(self.label)

    def components(self, slot: str) -> Sequence[Component]:
        """The open components of an ordered slot, as they are now."""
        return self._components.ordered(slot)

    def build(self, use: Use, name: str = "") -> Any:
        """As the contract says."""
        component = self._components.make(use.component, use.settings, name or use.use)
        self._built.append(component)
        return component

    def release(self, component: Component) -> None:
        """As the contract says."""
        if component in self._built:
            self._built.remove(component)
            self._components.end(component)

    def read(self, model: type[S], data: Mapping[str, Any]) -> S:
        """As the contract says."""
        tree = Tree(data=copy.deepcopy(dict(data)))
        found, _ = check(model, tree.data, (), tree, self._components.registry)
        if tree.problems:
            told = (
                f"{problem.path}: {problem.message}" if problem.path else problem.message for problem in tree.problems
            )
            raise Invalid("; ".join(dict.fromkeys(told)))
        made: S = found
        return made

    def spawn(self, function: Callable[..., object], *args: object, name: str = "") -> Task:
        """As the contract says."""
        return self.greenlets.spawn(function, *args, name=name)

    def offload(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As the contract says."""
        return self._components.threads.offload(function, *args, **kwargs)

    def fail(self, error: ZrokdError) -> None:
        """As the contract says."""
        self._components.on_failure(error)

    def listen(self, address: Address) -> socket.socket:
        """As the contract says."""
        return self._components.sockets.listen(address)

    def end(self) -> None:
        """Called by the host after the component's close."""
        for component in reversed(self._built):
            self._components.end(component)
        self._built.clear()
        self.greenlets.kill_all()
