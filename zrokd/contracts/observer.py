"""A component that only listens to hooks."""

from __future__ import annotations

from zrokd.contracts.component import Component


class Observer(Component):
    """Implements hooks of `zrokd.hookspecs` as methods marked with `zrokd.hookimpl`; nothing else is asked of it."""

    slot = "observer"
