"""Streams to shares: dialled when needed, kept while idle, cut when their share goes away.

Deciding changes state without a greenlet switch; dialling happens outside of that, and its result is checked again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from zrokd.contracts.overlay import Stream
from zrokd.errors import (
    NoTerminator,
    NotFound,
    OverlayError,
    OverlayTimeout,
    StreamClosed,
    Unavailable,
    UnknownService,
)
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.limits import HttpLimits
from zrokd.proxy.terminators import BreakerLimits, Terminator, Terminators

LOG = logging.getLogger("zrokd.proxy")
_MORE_DIALS = 2  # of one request, when those dialled before are not there


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """How much a pool keeps. Streams are counted per share (`each`) and over all shares (`total`)."""

    idle_s: float = 60.0
    idle_each: int = 32
    idle_total: int = 1000
    busy_each: int = 128  # exchanges at once; tunnels are not counted
    failures: int = 3  # in a row, of one who serves a share
    rest_s: float = 10.0  # that it is left out then

    @property
    def breaker(self) -> BreakerLimits:
        """What concerns those who fail."""
        return BreakerLimits(failures=self.failures, rest_s=self.rest_s)


@dataclass(slots=True, eq=False)
class Upstream:
    """One HTTP connection to a share, lent to one exchange at a time."""

    token: str
    connection: HttpConnection
    end: Terminator  # to whom it leads
    reused: bool = False
    trial: bool = False  # its terminator was left out, and this exchange tries whether it still must be
    idle_since_s: float = 0.0
    tunnel: bool = False  # it was upgraded, and is no exchange any more


@dataclass(slots=True, eq=False)
class _Share:
    """What leads to one share."""

    idle: dict[Terminator, list[Upstream]] = field(default_factory=dict)  # the one used last, which likely lives, last
    idle_count: int = 0
    lent: set[Upstream] = field(default_factory=set)
    busy: int = 0  # exchanges, those that dial included; tunnels are not


class UpstreamPool:
    """Lends connections to shares. A connection comes back only when its exchange ended cleanly."""

    def __init__(
        self,
        dial: Callable[[str, str | None], Stream],
        http: HttpLimits,
        limits: PoolLimits,
        *,
        terminators: Callable[[str], Sequence[str]] = lambda _token: (),
        allows: Callable[[str], bool] = lambda _token: True,
        clock: Callable[[], float] = time.monotonic,
        log: logging.Logger = LOG,
    ) -> None:
        """`dial(token, terminator)` and `terminators(token)`: those of a Node.

        `allows` says whether a share may be reached now; it is asked before and after each dial.
        """
        self.http, self._limits = http, limits
        self._dial, self._allows, self._clock = dial, allows, clock
        self._ends = Terminators(terminators, limits.breaker, log=log, clock=clock)
        self._shares: dict[str, _Share] = {}  # by token; those to which nothing leads are not in it
        self._by_age: dict[Upstream, None] = {}  # every idle one, the longest idle first
        self._closed = False

    @property
    def limits(self) -> PoolLimits:
        """How much it keeps; may be replaced at any time."""
        return self._limits

    @limits.setter
    def limits(self, limits: PoolLimits) -> None:
        self._limits, self._ends.limits = limits, limits.breaker

    def take(self, token: str, *, spare: bool = False, instead: Upstream | None = None) -> Upstream:
        """A connection to a share: an idle one, or (always when `instead` of another) a new one.

        It leads to the terminator with the least in flight. `spare`: should that fail, the request can go to another.
        The caller gives it back by `give` or `drop`. Switches greenlets when it dials.
        :raises NotFound: the share went away.
        :raises Unavailable: too many exchanges with this share run already, or all who serve it fail.
        :raises OverlayError: it cannot be dialled.
        """
        share = self._admitted(token)
        share.busy += 1  # counts while it dials
        try:
            upstream = self._found(token, share, spare, instead)
        except BaseException:
            share.busy -= 1
            self._tidy(token)
            raise
        end = upstream.end
        upstream.trial = end.out
        end.busy += 1
        share.lent.add(upstream)
        return upstream

    def answered(self, upstream: Upstream) -> None:
        """An answer began to come. Never switches greenlets."""
        if upstream.end.failures:
            self._ends.answered(upstream.end)

    def failed(self, upstream: Upstream, why: str) -> None:
        """The exchange got no answer, for which its terminator is to blame. Never switches greenlets."""
        if self._ends.failed(upstream.end, why):
            for idle in tuple(self._shares[upstream.token].idle.get(upstream.end, ())):
                self._discard(idle)

    def has_other(self, upstream: Upstream) -> bool:
        """Whether another terminator than this connection's could be asked."""
        return self._ends.others(upstream.end)

    def give(self, upstream: Upstream) -> None:
        """Take back a connection whose exchange ended cleanly, both messages read to their end.

        Whether more came, or its end, is looked at when it is taken.
        """
        share = self._returned(upstream)
        if not self._keeps(upstream, share):
            upstream.connection.stream.close()
            self._tidy(upstream.token)
            return
        upstream.reused, upstream.idle_since_s = True, self._clock()
        kept = share.idle.get(upstream.end)
        if kept is None:
            share.idle[upstream.end] = [upstream]
        else:
            kept.append(upstream)
        share.idle_count += 1
        self._by_age[upstream] = None
        if len(self._by_age) > self._limits.idle_total:
            self._discard(next(iter(self._by_age)))

    def drop(self, upstream: Upstream) -> None:
        """Take back a connection that cannot be used again, and break it. Idempotent."""
        self._returned(upstream)
        self._tidy(upstream.token)
        upstream.connection.stream.abort()

    def mark_tunnel(self, upstream: Upstream) -> None:
        """It was upgraded: it no longer counts as an exchange, and is still cut when its share goes away."""
        if not upstream.tunnel:
            upstream.tunnel = True
            self._shares[upstream.token].busy -= 1

    def forget(self, tokens: Iterable[str]) -> None:
        """Cut everything to these shares, running exchanges and tunnels too. Never switches greenlets."""
        for token in tokens:
            share = self._shares.get(token, _NOTHING)
            for upstream in [each for kept in share.idle.values() for each in kept]:
                self._discard(upstream)
            for upstream in tuple(share.lent):
                upstream.connection.stream.abort()

    def sweep(self) -> None:
        """Close what was idle for too long, or ended meanwhile. To be called every few seconds; never switches."""
        self._ends.sweep()
        until = self._clock() - self.limits.idle_s
        for upstream in tuple(self._by_age):
            if upstream.idle_since_s <= until or not upstream.connection.stream.is_idle():
                self._discard(upstream)

    def close(self) -> None:
        """Close what is idle and break what is lent; nothing can be taken any more. Idempotent."""
        self._closed = True
        self.forget(tuple(self._shares))

    @property
    def idle(self) -> int:
        """Connections kept now."""
        return len(self._by_age)

    @property
    def lent(self) -> int:
        """Connections lent now."""
        return sum(len(share.lent) for share in self._shares.values())

    def _admitted(self, token: str) -> _Share:
        """The share, which may be asked now."""
        if self._closed:
            raise StreamClosed("this frontend is closing")
        if not self._allows(token):
            raise NotFound("the share went away")
        share = self._shares.get(token)
        if share is None:
            share = self._shares[token] = _Share()
        if share.busy >= self._limits.busy_each:
            self._tidy(token)
            raise Unavailable(f"{self._limits.busy_each} requests to this share run already", retry_after_s=1.0)
        return share

    def _dialled(self, end: Terminator, spare: bool) -> Upstream:  # noqa: FBT001
        """A new connection; when a terminator is not there, to another."""
        token, left = end.token, _MORE_DIALS
        while True:
            try:
                stream = self._dial(token, end.name or None)
            except OverlayError as error:
                self._blame(end, error)
                end = self._next_after(end, error, left, spare)
            else:
                if self._closed or not self._allows(token):
                    stream.close()
                    raise NotFound("the share went away")
                reached = end if end.name else self._ends.reached(token, stream.terminator)
                if not left or end.name or not self._ends.is_resting(reached):
                    return Upstream(token, HttpConnection(stream, self.http), reached)
                stream.close()  # the overlay chose one that we leave out
            left -= 1

    def _blame(self, end: Terminator, error: OverlayError) -> None:
        """Note why a dial failed, unless the overlay said at once that nobody is there."""
        if end.name and isinstance(error, NoTerminator):
            self._ends.gone(end)
        elif not isinstance(error, NoTerminator | UnknownService) and (end.name or isinstance(error, OverlayTimeout)):
            self._ends.failed(end, str(error))

    def _next_after(self, end: Terminator, error: OverlayError, left: int, spare: bool) -> Terminator:  # noqa: FBT001
        if not left or not end.name or isinstance(error, UnknownService):
            raise error
        try:
            following = self._ends.choose(end.token, (), spare=spare, but=end)
        except Unavailable:
            raise error from None
        if following is end:
            raise error
        return following

    def _found(self, token: str, share: _Share, spare: bool, instead: Upstream | None) -> Upstream:  # noqa: FBT001
        if instead is not None:
            return self._dialled(self._ends.choose(token, (), spare=spare, but=instead.end), spare)
        while True:
            end = self._ends.choose(token, share.idle, spare=spare)
            kept = share.idle.get(end)
            if kept is None:
                return self._dialled(end, spare)
            upstream = kept[-1]
            self._forget_idle(share, upstream)
            if upstream.connection.stream.is_idle():  # nothing (bytes nobody asked for, end, error) came since
                return upstream
            upstream.connection.stream.close()

    def _returned(self, upstream: Upstream) -> _Share:
        """Its share, of which it counts no more; one of nobody when it was not lent."""
        share = self._shares.get(upstream.token, _NOTHING)
        if upstream not in share.lent:
            return _NOTHING
        share.lent.remove(upstream)
        upstream.end.busy -= 1
        if not upstream.tunnel:
            share.busy -= 1
        return share

    def _keeps(self, upstream: Upstream, share: _Share) -> bool:
        if share is _NOTHING or self._closed or upstream.connection.buffered:
            return False
        return share.idle_count < self._limits.idle_each and self._allows(upstream.token)

    def _discard(self, upstream: Upstream) -> None:
        share = self._shares[upstream.token]
        self._forget_idle(share, upstream)
        self._tidy(upstream.token)
        upstream.connection.stream.close()

    def _forget_idle(self, share: _Share, upstream: Upstream) -> None:
        del self._by_age[upstream]
        share.idle_count -= 1
        kept = share.idle[upstream.end]
        if kept[-1] is upstream:  # as nearly always
            kept.pop()
        else:
            kept.remove(upstream)
        if not kept:
            del share.idle[upstream.end]

    def _tidy(self, token: str) -> None:
        """Forget a share to which nothing leads any more."""
        share = self._shares.get(token)
        if share is not None and not (share.busy or share.lent or share.idle_count):
            del self._shares[token]


_NOTHING = _Share()  # leads nowhere, and stays so
