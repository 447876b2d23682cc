"""pytest fixtures for plugin authors: `pytest_plugins = ["zrokd.testing.plugin"]` in conftest.py.

Patch with gevent before anything else there: `from gevent import monkey; monkey.patch_all()`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from zrokd.contracts import Component, Context, Overlay, Settings, Storage
from zrokd.host.components import Components
from zrokd.host.context import HostContext
from zrokd.host.registry import Registry
from zrokd.host.sockets import Sockets
from zrokd.testing import leaks
from zrokd.testing.scenario import Scenario


class Bench:
    """A place to try one component: a real host without a daemon. `ctx` is a real Context."""

    def __init__(self, folder: Path) -> None:
        self._components = Components(folder, Registry(), Sockets(), logging.getLogger("zrokd.bench"))
        self._contexts = [HostContext(self._components, "test", "bench")]
        self._opened: list[Component] = []
        self.ctx: Context = self._contexts[0]

    def open(self, cls: type[Component], settings: Settings | None = None, name: str = "") -> Any:
        """An open component, which hears hooks and is closed at the end. :raises ZrokdError: its open failed."""
        component = self._components.make(cls, cls.Settings() if settings is None else settings, name or cls.name)
        self._opened.append(component)
        if isinstance(component, Overlay):
            self._components.overlay = component
        if isinstance(component, Storage):
            self._components.storage = component
        return component

    def close(self, component: Component) -> None:
        """End a component as the host does. Idempotent."""
        self._components.end(component)

    def bare(self, cls: type[Component], settings: Settings | None = None, name: str = "") -> Any:
        """A component made and not opened; the caller opens and closes it."""
        ctx = HostContext(self._components, cls.slot, name or cls.name)
        self._contexts.append(ctx)
        return cls(cls.Settings() if settings is None else settings, ctx)

    def end(self) -> None:
        """Close everything. Idempotent."""
        for ctx in reversed(self._contexts):
            ctx.end()
        for component in reversed(self._opened):
            self._components.end(component)
        self._components.end_all()


@contextmanager
def bench(folder: Path) -> Iterator[Bench]:
    """A Bench for a block."""
    made = Bench(folder)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def zrokd_bench(tmp_path: Path) -> Iterator[Bench]:
    """A place to open components in; all are closed at the end."""
    with bench(tmp_path / "zrokd-state") as made:
        yield made


@pytest.fixture
def zrokd_context(zrokd_bench: Bench) -> Context:
    """A real Context: its folder is in the test's own, and what it gives out is given back at the end."""
    return zrokd_bench.ctx


@pytest.fixture
def zrokd_gives_back() -> Iterator[None]:
    """The test fails when it leaves descriptors, greenlets or processes behind."""
    with leaks.nothing_left():
        yield


@pytest.fixture
def scenario(tmp_path: Path) -> Iterator[Callable[..., Scenario]]:
    """scenario(shares=[...], changes={...}): a running Scenario; all are stopped at the end."""
    made: list[Scenario] = []

    def start(**arguments: Any) -> Scenario:
        made.append(Scenario(tmp_path / f"scenario-{len(made)}", **arguments))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.stop()
