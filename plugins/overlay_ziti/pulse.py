"""Asks the hosts of quiet streams for a sign of life: who only listens would not notice that nobody speaks any more."""

from __future__ import annotations

import time
from collections.abc import Iterable

import gevent

from .channels import Channels
from .dialled import DialledStream

_EVERY_S = 0.5
_MOST = 100  # streams a round; with more of them that are quiet, each has its turn less often


def keep_asking(channels: Channels) -> None:
    """For ever; ends by being killed. Switches greenlets."""
    while True:
        gevent.sleep(_EVERY_S)
        ask(stream for channel in channels.live() for stream in channel.circuits() if isinstance(stream, DialledStream))


def ask(streams: Iterable[DialledStream]) -> None:
    """Ask those that are quiet, the quietest first. Never waits."""
    now = time.monotonic()
    quiet = [stream for stream in streams if stream.is_quiet(now)]
    quiet.sort(key=lambda stream: stream.heard_at)
    for stream in quiet[:_MOST]:
        stream.ask()
