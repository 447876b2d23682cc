"""How a frontend reaches shares: as one identity, within the time that the settings give at that moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zrokd.contracts import Node, Stream


class Reach:
    """Dials through `node()`, which raises OverlayError while there is none."""

    def __init__(self, node: Callable[[], Node], timeout_s: Callable[[], float], caller: str = "") -> None:
        self._node, self._timeout_s, self._caller = node, timeout_s, caller

    def dial(self, token: str, terminator: str | None = None) -> Stream:
        """See Node.dial."""
        return self._node().dial(token, terminator=terminator, timeout_s=self._timeout_s(), caller=self._caller)

    def terminators(self, token: str) -> Sequence[str]:
        """See Node.terminators."""
        return self._node().terminators(token)
