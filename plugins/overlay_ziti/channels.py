"""The channels of one identity: which routers there are, which is nearest, which channel has room."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import gevent
from gevent.event import Event

from zrokd.errors import OverlayError, OverlayTimeout

from .channel import Channel, Spawn
from .dialler import Dialler
from .edge import Router
from .settings import EdgeSettings

_PATIENCE_S = 1.5  # with routers of which none could be reached when last tried
_PAUSE_S = (0.2, 5.0)  # after a router could not be reached: first, most


class RouterChannels:
    """The channels to one router. Opens another when those there are are busy."""

    def __init__(self, url: str, dialler: Dialler, settings: EdgeSettings, log: logging.Logger, spawn: Spawn) -> None:
        self.url = url
        self._dialler, self._settings, self._log, self._spawn = dialler, settings, log, spawn
        self._channels: list[Channel] = []
        self._opening = False
        self._pause_s, self._not_before = 0.0, 0.0
        self.trouble = ""
        self.disturbed_at = 0.0  # when a channel was lost that was needed, a time of time.monotonic()
        self.changed = Event()  # set once an attempt to open has ended
        self._retired = False

    @property
    def latency_s(self) -> float:
        """Of the nearest channel."""
        return min((channel.latency_s for channel in self.live()), default=0.0)

    def live(self) -> list[Channel]:
        """Those that can be used."""
        dead = [channel for channel in self._channels if not channel.alive]
        if dead:
            self._channels = [channel for channel in self._channels if channel.alive]
            lost = [channel.lost_at for channel in dead if not channel.retired]
            self.disturbed_at = max([self.disturbed_at, *lost])
        return self._channels

    def best(self) -> Channel | None:
        """The channel with the least load; None when one is to be waited for. Opens one more in time."""
        live = self.live()
        if not live:
            self.open()
            return None
        channel = min(live, key=lambda each: each.load)
        busy = self._settings.streams_per_channel
        if channel.load >= busy and len(live) < self._settings.channels_per_router:
            self.open()
            if self._opening and channel.load >= 2 * busy:
                return None  # a crowd comes at once: the next channel is there in a moment
        return channel

    def open(self) -> None:
        """Begin to open a channel, when none is being opened and the router is not to be left alone. Never waits."""
        if self._opening or self._retired or time.monotonic() < self._not_before:
            return
        self._opening = True
        self.changed.clear()
        self._spawn(self._open, name=f"connect {self.url}")

    def _open(self) -> None:
        try:
            channel = self._dialler.connect(self.url)
        except OverlayError as error:
            self._pause(str(error))
        else:
            self._pause_s, self.trouble = 0.0, ""
            self._channels.append(channel)
            if self._retired:
                channel.retire()
        finally:
            self._opening = False
            self.changed.set()

    def _pause(self, reason: str) -> None:
        if reason != self.trouble:
            self._log.warning("%s", reason)
        self.trouble = reason
        self._pause_s = min(max(self._pause_s * 2, _PAUSE_S[0]), _PAUSE_S[1])
        self._not_before = time.monotonic() + self._pause_s

    @property
    def is_doubtful(self) -> bool:
        """Whether it could not be reached when last tried, or a channel to it was lost and none made since."""
        return not self.live() and bool(self.trouble or self.disturbed_at)

    @property
    def wait_s(self) -> float:
        """How long the router is left alone from now on."""
        return max(self._not_before - time.monotonic(), 0.0)

    def retire(self) -> None:
        """Close each channel as soon as its last stream has ended."""
        self._retired = True
        for channel in self._channels:
            channel.retire()

    @property
    def closed(self) -> bool:
        """Whether there is none, and none to come."""
        return not self._opening and not self.live()

    def wait_closed(self) -> None:
        """Wait until all are closed. Switches greenlets."""
        for channel in list(self._channels):
            channel.wait_closed()


class Channels:
    """Channels to all routers that were asked for."""

    def __init__(self, dialler: Dialler, settings: EdgeSettings, log: logging.Logger, spawn: Spawn) -> None:
        self._dialler, self._settings, self._log, self._spawn = dialler, settings, log, spawn
        self._routers: dict[str, RouterChannels] = {}
        self.retired = False

    def pick(self, routers: Sequence[Router], timeout_s: float) -> Channel:
        """A channel to the nearest of these routers that can be reached. Switches greenlets.

        :raises OverlayTimeout: none within `timeout_s`. :raises OverlayError: none at all.
        """
        known = [self.to(router.url) for router in routers]
        if not known:
            raise OverlayError("the network has no router for this service that is online")
        began = time.monotonic()
        while True:
            until = began + (min(timeout_s, _PATIENCE_S) if all(each.is_doubtful for each in known) else timeout_s)
            found = [(each.latency_s, channel) for each in known if (channel := each.best()) is not None]
            if found:
                return min(found, key=lambda pair: pair[0])[1]
            self._wait_any(known, until)

    def _wait_any(self, known: list[RouterChannels], until: float) -> None:
        left_s = until - time.monotonic()
        if left_s <= 0:
            trouble = next((each.trouble for each in known if each.trouble), "no router could be reached in time")
            raise OverlayTimeout(trouble)
        opening = [each.changed for each in known if not each.changed.is_set()]
        if opening:
            gevent.wait(opening, timeout=left_s, count=1)
        else:
            gevent.sleep(min(left_s, 0.01 + min(each.wait_s for each in known)))

    def to(self, url: str) -> RouterChannels:
        """The channels to one router."""
        if url not in self._routers:
            self._routers[url] = RouterChannels(url, self._dialler, self._settings, self._log, self._spawn)
        return self._routers[url]

    def live(self) -> list[Channel]:
        """All that can be used."""
        return [channel for router in self._routers.values() for channel in router.live()]

    @property
    def disturbed_at(self) -> float:
        """When a channel was lost last; 0: never."""
        return max((router.disturbed_at for router in self._routers.values()), default=0.0)

    def retire(self) -> None:
        """Close each channel as soon as its last stream has ended. Idempotent."""
        self.retired = True
        for router in self._routers.values():
            router.retire()

    @property
    def closed(self) -> bool:
        """Whether there is none, and none to come."""
        return all(router.closed for router in self._routers.values())

    def wait_closed(self) -> None:
        """Wait until all are closed. Switches greenlets."""
        for router in list(self._routers.values()):
            router.wait_closed()
