"""Look at a head, or change it."""

from __future__ import annotations

from typing import ClassVar

from zrokd.contracts.component import Component
from zrokd.model.http import RequestHead, Respond, ResponseHead, Route


class Filter(Component):
    """Sees every head of a frontend: requests in YAML order, responses in reverse. Must not switch greenlets."""

    slot = "filter"
    #: Whether it sees requests before the share's gate does; the others see what the gate made of them.
    before_gate: ClassVar[bool] = False

    def on_request(self, head: RequestHead, route: Route, peer: str) -> RequestHead | Respond:
        """The head to send on, or an answer in place of the share's. What it raises answers 500, and is logged."""
        return head

    def on_response(self, head: ResponseHead, route: Route) -> ResponseHead:
        """The head to send back."""
        return head
