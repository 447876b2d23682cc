"""May this visitor see this share?"""

from __future__ import annotations

from abc import abstractmethod

from zrokd.contracts.component import Component
from zrokd.model.http import RequestHead, Route, Verdict


class Gate(Component):
    """Visitor authentication in a frontend. The share chooses a gate by its name in the frontend's YAML."""

    slot = "gate"

    @abstractmethod
    def check(self, head: RequestHead, route: Route) -> Verdict:
        """Allow or Respond. Once per request; may switch greenlets. What it raises denies, and is logged."""
