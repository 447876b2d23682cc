"""Looks for routers that came and went: a few of the services that are bound each time, and all once one has news."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

import gevent

from zrokd.errors import OverlayError

from .listener import ZitiListener

_EVERY_S = 30.0
_MOST = 20  # services a round, the one that was looked at longest ago first


class Lookout:
    """Of one node."""

    def __init__(self, listeners: Collection[ZitiListener], log: logging.Logger) -> None:
        self._listeners, self._log = listeners, log

    def run(self) -> None:
        """For ever; ends by being killed. Switches greenlets."""
        while True:
            gevent.sleep(_EVERY_S)
            now = time.monotonic()
            oldest = sorted(self._listeners, key=lambda listener: listener.looked_at)
            if any(self._look(listener) for listener in oldest[:_MOST]):
                for listener in [each for each in self._listeners if each.looked_at < now]:
                    self._look(listener)

    def _look(self, listener: ZitiListener) -> bool:
        try:
            return listener.look()
        except OverlayError as error:
            self._log.debug("the routers of %s cannot be asked for: %s", listener.service, error)
            return False
