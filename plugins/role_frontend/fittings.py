"""The gates and filters that one state of the settings names, open."""

from __future__ import annotations

from typing import Any

from zrokd.contracts import Context, Filter, Gate, Use

from .settings import FrontendSettings

_Key = tuple[str, str]


class Fittings:
    """Made by `build`; given back by `release`."""

    def __init__(self) -> None:
        self._parts: dict[_Key, tuple[Use, Any]] = {}

    @property
    def gates(self) -> dict[str, Gate]:
        """By the name that shares choose them by."""
        return {name: part for (slot, name), (_, part) in self._parts.items() if slot == "gate"}

    @property
    def filters(self) -> list[Filter]:
        """In YAML order."""
        return [part for (slot, _), (_, part) in self._parts.items() if slot == "filter"]

    @classmethod
    def build(cls, settings: FrontendSettings, ctx: Context, old: Fittings) -> Fittings:
        """Those of `settings`; what `old` holds in the same shape is taken over. May switch greenlets.

        :raises ZrokdError: what an open raised; none of the new ones stays open.
        """
        made = cls()
        try:
            for name, use in settings.gates.items():
                made._add(("gate", name), use, name, ctx, old)
            for place, use in enumerate(settings.filters):
                made._add(("filter", str(place)), use, "", ctx, old)
        except BaseException:
            made.release(ctx, but=old)
            raise
        return made

    def release(self, ctx: Context, but: Fittings) -> None:
        """Close all that `but` does not hold. May switch greenlets."""
        kept = [part for _, part in but._parts.values()]
        for _, part in self._parts.values():
            if not any(part is other for other in kept):
                ctx.release(part)

    def _add(self, key: _Key, use: Use, name: str, ctx: Context, old: Fittings) -> None:
        held = old._parts.get(key)
        self._parts[key] = held if held and held[0] == use else (use, ctx.build(use, name))
