"""Streams to shares: dialled when needed, kept while idle, cut when their share goes away.

Deciding changes state without a greenlet switch; dialling happens outside of that, and its result is checked again.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from zrokd.contracts.overlay import Stream
from zrokd.errors import NotFound, StreamClosed, Unavailable
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.limits import HttpLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """How much a pool keeps. Streams are counted per share (`each`) and over all shares (`total`)."""

    idle_s: float = 60.0
    idle_each: int = 32
    idle_total: int = 1000
    busy_each: int = 128  # exchanges at once; tunnels are not counted


@dataclass(slots=True, eq=False)
class Upstream:
    """One HTTP connection to a share, lent to one exchange at a time."""

    token: str
    connection: HttpConnection
    reused: bool = False
    idle_since_s: float = 0.0
    tunnel: bool = False  # it was upgraded, and is no exchange any more


class UpstreamPool:
    """Lends connections to shares. A connection comes back only when its exchange ended cleanly."""

    def __init__(
        self,
        dial: Callable[[str], Stream],
        http: HttpLimits,
        limits: PoolLimits,
        *,
        allows: Callable[[str], bool] = lambda _token: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`allows` says whether a share may be reached now; it is asked before and after each dial."""
        self.http, self.limits = http, limits
        self._dial, self._allows, self._clock = dial, allows, clock
        self._idle: defaultdict[str, deque[Upstream]] = defaultdict(deque)
        self._by_age: dict[Upstream, None] = {}  # every idle one, the longest idle first
        self._lent: defaultdict[str, set[Upstream]] = defaultdict(set)
        self._busy: defaultdict[str, int] = defaultdict(int)
        self._closed = False

    def take(self, token: str, *, fresh: bool = False) -> Upstream:
        """A connection to a share: an idle one, or (always when `fresh`) a new one. Switches greenlets when it dials.

        The caller gives it back by `give` or `drop`.
        :raises NotFound: the share went away.
        :raises Unavailable: too many exchanges with this share run already.
        :raises OverlayError: it cannot be dialled.
        """
        self._admit(token)
        upstream = None if fresh else self._take_idle(token)
        if upstream is None:
            self._busy[token] += 1  # counts while it dials
            try:
                upstream = Upstream(token, self._dialled(token))
            finally:
                self._release(token)
        self._busy[token] += 1
        self._lent[token].add(upstream)
        return upstream

    def give(self, upstream: Upstream) -> None:
        """Take back a connection whose exchange ended cleanly, both messages read to their end."""
        if not self._return(upstream) or not self._keeps(upstream.token) or not _is_clean(upstream):
            upstream.connection.stream.close()
            return
        upstream.reused, upstream.idle_since_s = True, self._clock()
        self._idle[upstream.token].append(upstream)
        self._by_age[upstream] = None
        if len(self._by_age) > self.limits.idle_total:
            self._discard(next(iter(self._by_age)))

    def drop(self, upstream: Upstream) -> None:
        """Take back a connection that cannot be used again, and break it. Idempotent."""
        self._return(upstream)
        upstream.connection.stream.abort()

    def mark_tunnel(self, upstream: Upstream) -> None:
        """It was upgraded: it no longer counts as an exchange, and is still cut when its share goes away."""
        if not upstream.tunnel:
            upstream.tunnel = True
            self._release(upstream.token)

    def forget(self, tokens: Iterable[str]) -> None:
        """Cut everything to these shares, running exchanges and tunnels too. Never switches greenlets."""
        for token in tokens:
            for upstream in tuple(self._idle.get(token, ())):
                self._discard(upstream)
            for upstream in tuple(self._lent.get(token, ())):
                upstream.connection.stream.abort()

    def sweep(self) -> None:
        """Close what was idle for too long, or ended meanwhile. To be called every few seconds; never switches."""
        until = self._clock() - self.limits.idle_s
        for upstream in tuple(self._by_age):
            if upstream.idle_since_s <= until or not _is_clean(upstream):
                self._discard(upstream)

    def close(self) -> None:
        """Close what is idle and break what is lent; nothing can be taken any more. Idempotent."""
        self._closed = True
        self.forget({*self._idle, *self._lent})

    @property
    def idle(self) -> int:
        """Connections kept now."""
        return len(self._by_age)

    @property
    def lent(self) -> int:
        """Connections lent now."""
        return sum(len(lent) for lent in self._lent.values())

    def _admit(self, token: str) -> None:
        if self._closed:
            raise StreamClosed("this frontend is closing")
        if not self._allows(token):
            raise NotFound("the share went away")
        if self._busy.get(token, 0) >= self.limits.busy_each:
            raise Unavailable(f"{self.limits.busy_each} requests to this share run already", retry_after_s=1.0)

    def _dialled(self, token: str) -> HttpConnection:
        stream = self._dial(token)
        if self._closed or not self._allows(token):
            stream.close()
            raise NotFound("the share went away")
        return HttpConnection(stream, self.http)

    def _take_idle(self, token: str) -> Upstream | None:
        while kept := self._idle.get(token):
            upstream = kept[-1]  # the one used last is the likeliest to live
            self._forget_idle(upstream)
            if _is_clean(upstream):
                return upstream
            upstream.connection.stream.close()
        return None

    def _return(self, upstream: Upstream) -> bool:
        """Whether it was lent."""
        lent = self._lent.get(upstream.token, set())
        if upstream not in lent:
            return False
        lent.discard(upstream)
        if not lent:
            del self._lent[upstream.token]
        if not upstream.tunnel:
            self._release(upstream.token)
        return True

    def _release(self, token: str) -> None:
        self._busy[token] -= 1
        if not self._busy[token]:
            del self._busy[token]

    def _keeps(self, token: str) -> bool:
        return not self._closed and self._allows(token) and len(self._idle.get(token, ())) < self.limits.idle_each

    def _discard(self, upstream: Upstream) -> None:
        self._forget_idle(upstream)
        upstream.connection.stream.close()

    def _forget_idle(self, upstream: Upstream) -> None:
        del self._by_age[upstream]
        kept = self._idle[upstream.token]
        kept.remove(upstream)
        if not kept:
            del self._idle[upstream.token]


def _is_clean(upstream: Upstream) -> bool:
    """Whether nothing (bytes nobody asked for, end, error) came since the last exchange."""
    return not upstream.connection.buffered and upstream.connection.stream.is_idle()
