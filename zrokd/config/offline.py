"""A component that a configuration names, for an operator's command: no daemon, no hub."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from zrokd.config.configuration import Configuration, Plan
from zrokd.contracts import Component, Storage
from zrokd.errors import NotFound

P = ParamSpec("P")
T = TypeVar("T")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


def component_of(configuration: Configuration, plan: Plan) -> Component:
    """The component of a plan, made and not opened. Close it."""
    bench: Any = _Bench(folder_of(configuration, plan), plan)
    return plan.component(plan.settings, bench)


@contextmanager
def storage_of(configuration: Configuration, *, make: bool = False) -> Iterator[Storage]:
    """The storage, open for a block; with `make`, the folder of an embedded one is made where there is none.

    :raises NotFound: the configuration has none, or there is no database yet. :raises ZrokdError: it cannot be opened.
    """
    plan = configuration.storage
    if plan is None:
        raise NotFound("this configuration has no storage: only a controller keeps a database")
    folder = folder_of(configuration, plan)
    storage = cast(Storage, component_of(configuration, plan))
    if storage.embedded:
        _see_to(folder, make=make)
    try:
        storage.open()
        yield storage
    finally:
        storage.close()


def _see_to(folder: Path, *, make: bool) -> None:
    if make:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif not folder.is_dir():  # and do not make one here: it might belong to another user than the daemon's
        raise NotFound(f"there is no database yet: {folder} does not exist")


def folder_of(configuration: Configuration, plan: Plan) -> Path:
    """The folder that the daemon gives a component."""
    return configuration.state_dir / _UNSAFE.sub("_", f"{plan.slot}-{plan.instance}")


class _Bench:
    """As much of a context as a component needs while no daemon runs."""

    def __init__(self, state_dir: Path, plan: Plan) -> None:
        self.state_dir = state_dir
        self.log = logging.getLogger(f"zrokd.command.{plan.slot}")

    def offload(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Right here: nothing else runs."""
        return function(*args, **kwargs)
