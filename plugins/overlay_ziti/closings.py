"""Tells routers that circuits are over, as long as the network's controller is there to hear of it.

A router hands that on to the controller in the same turn in which it reads our channel, and waits until the controller
takes it: while the controller is away, one circuit that is closed holds up all others of the channel.
Source: openziti router/xgress_edge, handleXgClose; observed with OpenZiti 1.6.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from zrokd.contracts import Task
from zrokd.errors import OverlayError

from .frames import Kind

if TYPE_CHECKING:
    from .channel import Channel, Spawn

_SURE_S = 2.0  # a router has room for some words to a controller that went away a moment ago
_PAUSE_S = 1.0


class Closings:
    """Of one node. What cannot be told yet waits; a channel that ends takes its circuits along."""

    def __init__(
        self, ask: Callable[[], object], wait_back: Callable[[float], None], log: logging.Logger, spawn: Spawn
    ) -> None:
        """`ask` the controller for a sign of life, which raises OverlayError without one; `wait_back` for it."""
        self._ask, self._wait_back, self._log, self._spawn = ask, wait_back, log, spawn
        self._over: list[tuple[Channel, bytes]] = []
        self._sure_until = 0.0
        self._task: Task | None = None

    def add(self, channel: Channel, circuit: bytes) -> None:
        """This circuit is over. Never waits."""
        self._over.append((channel, circuit))
        if time.monotonic() < self._sure_until:
            self._tell()
        elif self._task is None:
            self._task = self._spawn(self._run, name="ends of ziti circuits")

    def answered(self) -> None:
        """The controller had a word in something just now: a dial was answered."""
        self._sure_until = time.monotonic() + _SURE_S
        self._tell()

    def _tell(self) -> None:
        over, self._over = self._over, []
        for channel, circuit in over:
            channel.post(Kind.CIRCUIT_CLOSE, b"", circuit)

    def _run(self) -> None:
        try:
            while self._over:
                try:
                    self._ask()
                except OverlayError as error:
                    self._log.debug("%d circuits that are over wait to be told: %s", len(self._over), error)
                    self._wait_back(_PAUSE_S)
                    self._over = [one for one in self._over if one[0].alive]
                else:
                    self.answered()
        finally:
            self._task = None
