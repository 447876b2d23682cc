"""The road of a request: accept -> head -> route -> gate -> filter -> dial -> relay -> account."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from zrokd.contracts import Hooks, Stream
from zrokd.errors import MessageError, StreamError, ZrokdError
from zrokd.model.http import RequestHead, Respond, Route
from zrokd.net.faults import faults
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.forward import Forwarded
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.pages import standard_page
from zrokd.net.http1.tracker import ConnectionTracker
from zrokd.net.meter import Meter
from zrokd.proxy.account import Visit
from zrokd.proxy.exchange import Times, exchange
from zrokd.proxy.pages import page_for
from zrokd.proxy.respond import respond
from zrokd.proxy.rules import Rules
from zrokd.proxy.upstream import UpstreamPool
from zrokd.proxy.visitors import Visitors

_CROWDED = 0.8  # of the connections that the listener takes
_RELIEF_S = 0.5  # between two looks for idle ones
_BRIEF_S = 0.2


class Pipeline:
    """Serves connections of visitors: give it to a Listener as `handle`.

    `rules` and `limits` may be replaced at any time: a request is handled by the rules it began with, a connection
    keeps the limits it began with.
    """

    def __init__(
        self,
        rules: Rules,
        pool: UpstreamPool,
        *,
        limits: HttpLimits,
        visitors: Visitors,
        hooks: Hooks,
        meter: Meter,
        log: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
        role: str = "frontend",
        most: int = 10_000,
    ) -> None:
        """`most`: connections that its listener takes at once; from 80 % of them on, nobody holds room for nothing."""
        self.rules, self.pool, self.limits = rules, pool, limits
        self._visitors, self._hooks, self._meter, self._log = visitors, hooks, meter, log
        self._clock, self._role = clock, role
        self._tracker = ConnectionTracker()
        self._crowded, self._relieved_s = _CROWDED * most, 0.0

    def __call__(self, stream: Stream) -> None:
        """Answer the requests of one connection until it ends. Switches greenlets; the caller closes the stream."""
        visit = Visit(self._role, stream.peer, self._hooks, self._clock, self._clock())
        if self._visitors.trusts(stream.peer):
            visit.behind = self._visitors.behind
        else:
            visit.server_name = stream.server_name
        client = HttpConnection(stream, self._limits_now())
        try:
            with self._tracker.track(client), self._visitors.enter(stream.peer) as welcome:
                if not welcome:
                    client.limits = replace(client.limits, linger_s=_BRIEF_S)  # it shall not hold room by being refused
                    raise MessageError(429, "too many connections of one address")
                while (sent := client.read_request()) is not None and self._request(client, sent, visit):
                    continue
        except MessageError as error:
            visit.outcome = str(error)
            respond(client, None, standard_page(error.status), more=False)
        except StreamError as error:
            visit.outcome = str(error)
        finally:
            visit.tell_closed()

    def drain(self) -> None:
        """End idle connections now, and busy ones with their answer. Idempotent."""
        self._tracker.drain()

    def farewell(self) -> None:
        """End event streams and websockets so that their visitors know why. Switches greenlets."""
        self._tracker.farewell()

    def _limits_now(self) -> HttpLimits:
        """The limits of a connection that begins; in a crowd it has to hurry, and idle ones make room."""
        if len(self._tracker) + 1 <= self._crowded:
            return self.limits
        self._relieve()
        return replace(self.limits, head_s=min(self.limits.head_s, self.limits.head_crowded_s))

    def sweep(self) -> None:
        """Give up what is held for nothing: by the pool, and in a crowd by visitors. To be called every second."""
        self.pool.sweep()
        if len(self._tracker) > self._crowded:
            self._relieve()

    def _relieve(self) -> None:
        now_s = self._clock()
        if now_s - self._relieved_s >= _RELIEF_S:
            self._relieved_s = now_s
            self._tracker.relieve()

    def _request(self, client: HttpConnection, sent: RequestHead, visit: Visit) -> bool:
        """Handle one request; whether the connection can serve another."""
        rules, times, token = self.rules, Times(self._clock), ""
        try:
            route = rules.find(sent, visit.server_name)
            token = route.token
            head = rules.admit(sent, route, visit.peer)
            if isinstance(head, Respond):
                done = respond(client, sent, head)
            else:
                done = self._pass(client, head, route, rules, times)
        except faults() as error:  # whatever went wrong, the visitor gets an answer and we a record
            done = self._failed(client, sent, error)
        visit.tell_exchange(sent, token, done, times)
        return done.reusable_client

    def _pass(self, client: HttpConnection, head: RequestHead, route: Route, rules: Rules, times: Times) -> Forwarded:
        done = exchange(
            client,
            head,
            route.token,
            self.pool,
            times,
            edit=lambda answer: rules.edit(answer, route),
            on_bytes=partial(self._meter.add, route.token),
        )
        if done.status or not done.answer:
            return done
        told = respond(client, head, standard_page(done.answer), more=False)
        return told._replace(rx=done.rx, outcome=done.outcome)

    def _failed(self, client: HttpConnection, sent: RequestHead, error: BaseException) -> Forwarded:
        if not isinstance(error, ZrokdError):
            self._log.error("a request failed in a way nobody foresaw", exc_info=error)
        more = not isinstance(error, MessageError)  # a refused one may mean something else to others: end it there
        told = respond(client, sent, page_for(error), more=more)
        return told._replace(outcome=str(error) or type(error).__name__)
