"""Gives memory back to the system that was freed and that the C library keeps: a burst would be held for good."""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent

_EVERY_S = 5.0
_WORTH_BYTES = 1 << 20
_PAGE_BYTES = resource.getpagesize()
# Only glibc has it. Source: malloc_trim(3)
_TRIM: Any = getattr(ctypes.CDLL(None), "malloc_trim", None)


def held_bytes() -> int:
    """What this process holds. Source: proc(5), statm."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


class Spare:
    """Looks every few seconds; while the process does not grow that is all."""

    def __init__(self, offload: Callable[..., Any]) -> None:
        self._offload = offload
        self._least = 0  # held after the last time

    def run(self) -> None:
        """For ever, where there is a way; ends by being killed. Switches greenlets."""
        while _TRIM is not None:
            gevent.sleep(_EVERY_S)
            self.look()

    def look(self) -> None:
        """Give back what is spare when more is held than after the last time. Switches greenlets."""
        if held_bytes() > self._least + _WORTH_BYTES:
            self._offload(_TRIM, 0)
            self._least = held_bytes()
