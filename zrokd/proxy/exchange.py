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


def exchange(
    client: HttpConnection,
    head: RequestHead,
    token: str,
    pool: UpstreamPool,
    *,
    edit: Callable[[ResponseHead], ResponseHead],
    on_bytes: Callable[[int, int], None],
) -> Forwarded:
    """Send a request to a share and its answer back. Switches greenlets; streams to the share go back to the pool.

    :raises ZrokdError: what the pool or the dial raised, or the request cannot be forwarded; nothing was answered yet.
    """
    spare = head.method in _IDEMPOTENT and client.framing in _BODILESS
    upstream = pool.take(token, spare=spare)
    try:
        done = _over(client, head, upstream, pool, edit, on_bytes, spare=spare)
    except _Unreached:
        return _over(client, head, pool.take(token, instead=upstream), pool, edit, on_bytes)
    if may_retry(head.method, reused=upstream.reused or upstream.trial, untouched=done.retryable):
        done = _over(client, head, pool.take(token, instead=upstream), pool, edit, on_bytes)
    return done


class _Unreached(Exception):
    """The backend had the request and could not give it to its target; another backend may."""


def may_retry(method: bytes, *, reused: bool, untouched: bool) -> bool:
    """Whether a request that failed may be sent once more, on a new stream.

    A reused stream may have ended just as the request was sent, and a request that may be repeated does no harm twice.
    So it is for one that only tried whether a terminator still fails (`reused` as well).
    `untouched`: nothing of the answer came and no body byte was taken from the visitor. Source: RFC 9110 §9.2.2.
    """
    return reused and untouched and method in _IDEMPOTENT


def _over(
    client: HttpConnection,
    head: RequestHead,
    upstream: Upstream,
    pool: UpstreamPool,
    edit: Callable[[ResponseHead], ResponseHead],
    on_bytes: Callable[[int, int], None],
    *,
    spare: bool = False,
) -> Forwarded:
    def answered(answer: ResponseHead) -> ResponseHead:
        if answer.status in _NO_ANSWER and (fault := fault_of(answer)):
            pool.failed(upstream, f"its target fails: {fault}")
            if spare and fault == UNREACHED and pool.has_other(upstream):
                raise _Unreached
            return edit(answer.without(STATUS))
        pool.answered(upstream)
        if answer.status == _SWITCHING:
            pool.mark_tunnel(upstream)
        return edit(answer)

    reusable = False
    try:
        done = forward(client, head, upstream.connection, edit=answered, on_bytes=on_bytes)
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
