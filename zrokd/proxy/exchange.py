"""One HTTP request and its answer over a stream to a share: dialled at need, tried again only when that is safe."""

from __future__ import annotations

from collections.abc import Callable

from zrokd.errors import MessageError
from zrokd.model.http import RequestHead, ResponseHead
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.forward import Forwarded, forward
from zrokd.net.http1.framing import NONE, Framing
from zrokd.net.http1.status import STATUS, UNREACHED, fault_of
from zrokd.proxy.upstream import Upstream, UpstreamPool

_SWITCHING = 101
_BODILESS = (NONE, Framing("length", 0))
_NO_ANSWER = (502, 504)
# Source: RFC 9110 §9.2.2
_IDEMPOTENT = frozenset([b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])


class Times:
    """When a request began, and how long parts of it took. In seconds by `clock`."""

    __slots__ = ("clock", "dial_s", "first_byte_s", "since_s")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.since_s = clock, clock()
        self.dial_s: float | None = None  # to get the stream to the share used last; None: there was none
        self.first_byte_s: float | None = None  # since the beginning, until the share's answer began; None: none did


def exchange(
    client: HttpConnection,
    head: RequestHead,
    token: str,
    pool: UpstreamPool,
    times: Times,
    *,
    edit: Callable[[ResponseHead], ResponseHead],
    on_bytes: Callable[[int, int], None],
) -> Forwarded:
    """Send a request to a share and its answer back. Switches greenlets; streams to the share go back to the pool.

    `times` is told of the stream and of the answer.
    :raises ZrokdError: what the pool or the dial raised, or the request cannot be forwarded; nothing was answered yet.
    """
    return _Exchange(client, head, token, pool, times, edit, on_bytes).run()


def may_retry(method: bytes, *, reused: bool, untouched: bool) -> bool:
    """Whether a request that failed may be sent once more, on a new stream.

    A reused stream may have ended just as the request was sent, and a request that may be repeated does no harm twice.
    So it is for one that only tried whether a terminator still fails (`reused` as well).
    `untouched`: nothing of the answer came and no body byte was taken from the visitor. Source: RFC 9110 §9.2.2.
    """
    return reused and untouched and method in _IDEMPOTENT


class _Unreached(Exception):
    """The backend had the request and could not give it to its target; another backend may."""


class _Exchange:
    __slots__ = ("_client", "_edit", "_head", "_on_bytes", "_pool", "_spare", "_times", "_token")

    def __init__(
        self,
        client: HttpConnection,
        head: RequestHead,
        token: str,
        pool: UpstreamPool,
        times: Times,
        edit: Callable[[ResponseHead], ResponseHead],
        on_bytes: Callable[[int, int], None],
    ) -> None:
        self._client, self._head, self._token, self._pool, self._times = client, head, token, pool, times
        self._edit, self._on_bytes = edit, on_bytes
        self._spare = head.method in _IDEMPOTENT and client.framing in _BODILESS  # it may go to another, too

    def run(self) -> Forwarded:
        upstream = self._taken()
        try:
            done = self._over(upstream)
        except _Unreached:
            again = True
        else:
            again = may_retry(self._head.method, reused=upstream.reused or upstream.trial, untouched=done.retryable)
        if again:
            self._spare = False
            done = self._over(self._taken(instead=upstream))
        return done

    def _taken(self, instead: Upstream | None = None) -> Upstream:
        times = self._times
        began_s = times.clock()
        upstream = self._pool.take(self._token, spare=self._spare, instead=instead)
        times.dial_s = times.clock() - began_s
        return upstream

    def _over(self, upstream: Upstream) -> Forwarded:
        pool, reusable = self._pool, False
        try:
            done = forward(
                self._client,
                self._head,
                upstream.connection,
                edit=lambda answer: self._answered(answer, upstream),
                on_bytes=self._on_bytes,
            )
            reusable = done.reusable_upstream
            if not done.status and done.answer in _NO_ANSWER:
                pool.failed(upstream, done.outcome)
            return done
        except MessageError:
            reusable = True  # it was refused before anything was sent
            raise
        finally:
            if reusable:
                pool.give(upstream)
            else:
                pool.drop(upstream)

    def _answered(self, answer: ResponseHead, upstream: Upstream) -> ResponseHead:
        """The answer's head as it goes on."""
        self._times.first_byte_s = self._times.clock() - self._times.since_s
        if answer.status in _NO_ANSWER and (fault := fault_of(answer)):
            self._pool.failed(upstream, f"its target fails: {fault}")
            if self._spare and fault == UNREACHED and self._pool.has_other(upstream):
                raise _Unreached
            return self._edit(answer.without(STATUS))
        self._pool.answered(upstream)
        if answer.status == _SWITCHING:
            self._pool.mark_tunnel(upstream)
        return self._edit(answer)
