"""Wake those who wait for news."""

from __future__ import annotations

from gevent.event import Event


class Bell:
    """A counter that can be waited on. For greenlets of one hub, not for threads."""

    def __init__(self) -> None:
        self.version = 0
        self._rung = Event()
        self._retired = False

    def ring(self) -> None:
        """Count one up and wake everybody who waits. Does not switch greenlets."""
        self.version += 1
        rung, self._rung = self._rung, Event()
        rung.set()

    def retire(self) -> None:
        """Wake everybody, and let nobody wait from now on. Does not switch greenlets."""
        self._retired = True
        self.ring()

    def wait(self, version: int, timeout_s: float) -> int:
        """The version as soon as it is past `version`, or as it is after `timeout_s` seconds. Switches greenlets.

        At once after `retire`.
        """
        if self.version <= version and not self._retired:
            self._rung.wait(timeout_s)
        return self.version
