"""What a plugin's settings raise besides mistakes, in an operator's words."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Protocol, runtime_checkable

from zrokd.contracts import Component
from zrokd.errors import PluginError


@runtime_checkable
class _KnowsOrigins(Protocol):
    def origin(self, component: type[Component]) -> object:
        """The distribution of a class, or None."""


def fault(error: BaseException, component: type[Component], registry: object) -> PluginError:
    """That the settings of `component` fail, and where in their code. Not with its words: they may quote a secret."""
    origin = registry.origin(component) if isinstance(registry, _KnowsOrigins) else None
    who = f"{component.slot}.{component.name}" + (f" of {origin}" if origin else "")
    frames = traceback.extract_tb(error.__traceback__)
    file = getattr(sys.modules.get(component.Settings.__module__), "__file__", None)
    frame = next((frame for frame in reversed(frames) if frame.filename == file), frames[-1])
    where = f"line {frame.lineno} of {Path(frame.filename).name}"
    return PluginError(f"the settings of {who} cannot be checked: {type(error).__name__} in {where}; mend the plugin")
