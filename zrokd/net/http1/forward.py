"""One exchange between two connections: request up and answer down at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from zrokd.contracts.overlay import Stream
from zrokd.errors import MessageError, StreamError, StreamTimeout
from zrokd.model.block import Block, remembered
from zrokd.model.http import RequestHead, ResponseHead
from zrokd.net.http1.answer import dress, framing_for
from zrokd.net.http1.body import BodyReader, BodyWriter
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.copying import copy
from zrokd.net.http1.frames import FramedStream
from zrokd.net.http1.framing import NONE, Framing
from zrokd.net.http1.head import encode_request, encode_response
from zrokd.net.http1.hops import HOPS, hop_by_hop, wants_websocket, without_hops
from zrokd.net.http1.upload import Bare, Upload
from zrokd.net.http1.websocket import accepts, check_handshake
from zrokd.net.pipes import Pipe
from zrokd.net.relay import relay

_REPLACED = frozenset({b"content-length", b"transfer-encoding", b"expect"})
_CHANGED = _REPLACED | HOPS
_UPGRADE = frozenset({b"connection", b"upgrade"})
_FRAMING = (b"Content-Length", b"Transfer-Encoding")


class Forwarded(NamedTuple):
    """How it ended. Bytes are body bytes, or the tunnel's."""

    status: int  # of the final answer that went to the client; 0: none did, and the caller answers `answer`
    rx: int  # from the client
    tx: int  # to the client
    reusable_client: bool
    reusable_upstream: bool
    upgraded: bool = False
    outcome: str = "ok"  # or why it ended early
    answer: int = 0  # with status 0: what the client shall be told: 400, 408, 413, 502, 504; 0: it is gone
    retryable: bool = False  # the upstream died before its first byte, and the request has no body


class _ClientGone(Exception):
    """The client takes no more."""


def forward(
    client: HttpConnection,
    head: RequestHead,
    upstream: HttpConnection,
    *,
    edit: Callable[[ResponseHead], ResponseHead] | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
) -> Forwarded:
    """Send `head` and the client's body to `upstream`, and its answer back, both at the same time.

    `head` is the one that `client` read last, perhaps with changed fields; the body's framing is the connection's to
    know, whatever the fields say. `edit` may change the final answer's head. `on_bytes(rx, tx)` is told of body bytes
    as they pass. An answer that was cut short reaches the client cut short: its stream is aborted. The caller closes
    what is not reusable. Switches greenlets.

    :raises MessageError: nothing was sent to the upstream; the client is told its status.
    """
    return _Exchange(client, head, upstream, edit or _unchanged, on_bytes or _nobody).run()


def _unchanged(head: ResponseHead) -> ResponseHead:
    return head


def _nobody(_rx: int, _tx: int) -> None:
    return


class _Exchange:
    __slots__ = (
        "_client", "_early", "_edit", "_heard", "_method", "_minor", "_sent", "_stopped", "_tell", "_tx", "_upgrade",
        "_upload", "_upstream",
    )  # fmt: skip

    def __init__(
        self,
        client: HttpConnection,
        head: RequestHead,
        upstream: HttpConnection,
        edit: Callable[[ResponseHead], ResponseHead],
        tell: Callable[[int, int], None],
    ) -> None:
        self._client = client
        self._upstream = upstream
        self._edit = edit
        self._tell = tell
        self._method, self._minor = head.method, head.minor
        self._sent, self._upgrade = _outgoing(head, client)
        self._upload = self._way_up(encode_request(self._sent))
        self._tx = 0
        self._heard = False  # a head from the upstream
        self._early = False  # the client did not wait for its websocket
        self._stopped = False  # an event stream, by us

    def _way_up(self, head: bytes) -> Bare:
        client, upstream = self._client, self._upstream
        if client.framing.kind == "none":
            return Bare(head, upstream)
        reader, here = client.request_reader(), _is_here(client.framing, client)
        return Upload(reader, upstream.writer(client.framing, head), upstream, self._tell, here=here)

    def run(self) -> Forwarded:
        try:
            self._upload.start()
            answer = self._final_answer()
            if answer.status == 101:
                return self._tunnel(answer)
            return self._deliver(answer)
        except _ClientGone as error:
            return self._ended(0, f"client: {error}")
        except (StreamError, MessageError) as error:
            return self._no_answer(error)
        finally:
            self._upload.stop()

    # -- until the final head ---

    def _final_answer(self) -> ResponseHead:
        for _ in range(self._upstream.limits.interim_answers + 1):
            self._await_answer()
            answer = self._upstream.take_response(self._method)
            self._heard = True
            if answer.status >= 200:
                return answer
            if answer.status == 101:
                return self._checked_upgrade(answer)
            self._send_interim(answer)
        raise MessageError(502, "too many interim answers")

    def _await_answer(self) -> None:
        """Wait for its first byte. The limit counts from the end of the request, which has limits of its own."""
        upstream, limit_s = self._upstream, self._upstream.limits.first_byte_s
        while not upstream.buffered:
            ended = self._upload.ended_at
            left_s = limit_s if ended is None else limit_s + ended - time.monotonic()
            if left_s <= 0:
                raise StreamTimeout(f"no answer within {limit_s:g} s")
            if upstream.stream.wait_readable(left_s):
                return

    def _checked_upgrade(self, answer: ResponseHead) -> ResponseHead:
        answer = hop_by_hop(answer).without(*_FRAMING)
        if not self._upgrade or not wants_websocket(answer) or not accepts(self._sent, answer):
            raise MessageError(502, "the upstream switches protocols unasked")
        if self._client.unread():  # said before it knew to whom: maybe a request that nobody looked at
            self._early = True
            raise MessageError(400, "bytes came before the websocket was open")
        return answer

    def _send_interim(self, answer: ResponseHead) -> None:
        """Pass a 1xx on; HTTP/1.0 knows none. Source: RFC 9110 §15.2."""
        if not self._minor:
            return
        answer = hop_by_hop(answer).without(*_FRAMING)
        self.send(encode_response(answer))

    @property
    def stream(self) -> Stream:
        """The client's, for its BodyWriter."""
        return self._client.stream

    def send(self, data: bytes) -> None:
        """Hand bytes to the client; for its BodyWriter. Its faults come as _ClientGone, unlike the upstream's."""
        try:
            self._client.send(data)
        except StreamError as error:
            raise _ClientGone(str(error)) from error

    def send_pipe(self, pipe: Pipe, count: int) -> None:
        """As `send`."""
        try:
            self._client.send_pipe(pipe, count)
        except StreamError as error:
            raise _ClientGone(str(error)) from error

    # -- the final answer ---

    def _deliver(self, answer: ResponseHead) -> Forwarded:
        client, upstream, upload = self._client, self._upstream, self._upload
        framing = upstream.framing
        outgoing = framing_for(framing, self._minor)
        keep = client.keep_alive and upload.complete and outgoing.kind != "until_close"
        edited = self._edit(answer.having(_without_hops(answer.block)))
        head = encode_response(dress(edited, outgoing, keep_alive=keep, minor=self._minor))
        outcome = self._send_answer(answer, framing, outgoing, head)
        if outcome != "ok":
            return self._ended(answer.status, outcome)
        upload.stop()
        if not keep and (not upload.complete or client.unread()):
            client.linger()
        clean = upload.complete and framing.kind != "until_close" and not upstream.buffered
        return self._ended(answer.status, outcome, client=keep, upstream=clean and upstream.keep_alive)

    def _send_answer(self, answer: ResponseHead, framing: Framing, outgoing: Framing, head: bytes) -> str:
        """Send head and body; "ok", or who failed and how."""
        try:
            if _is_here(framing, self._upstream):
                self._send_whole(head, framing.length)
            else:
                self._stream(
                    head, self._upstream.reader(framing, self._body_idle_s(answer)), outgoing, _is_events(answer)
                )
        except _ClientGone as error:
            return f"client: {error}"
        except (StreamError, MessageError) as error:
            self._client.stream.abort()  # the client must never take this for a whole answer
            return f"upstream: {error}"
        except BaseException:
            self._client.stream.abort()  # whoever answers the failure must not do so within an answer
            raise
        finally:
            self._client.farewell = None
        return "ended: this server goes away" if self._stopped else "ok"

    def _send_whole(self, head: bytes, length: int) -> None:
        """An answer whose body is here already, or that has none: one piece, as most are."""
        if length:
            self._count(length)
            head += self._upstream.take(length, None)
        self.send(head)

    def _stream(self, head: bytes, reader: BodyReader, framing: Framing, events: bool) -> None:  # noqa: FBT001
        writer = BodyWriter(self, framing, head)
        if events and framing.kind != "length":
            self._client.farewell = self._stop_events
        if not self._upstream.buffered:
            writer.flush()
        try:
            copy(reader, writer, self._count)
        except StreamError:
            if not self._stopped:
                raise
        writer.finish(() if self._stopped else reader.trailers)

    def _stop_events(self) -> None:
        """Take no more events: what came of a stream of them is whole wherever it ends. Source: HTML, §9.2.6."""
        self._stopped = True
        self._upstream.stream.close()

    def _count(self, count: int) -> None:
        self._tx += count
        self._tell(0, count)

    def _body_idle_s(self, answer: ResponseHead) -> float:
        return self._upstream.limits.stream_idle_s if _is_events(answer) else self._upstream.limits.response_idle_s

    # -- other ends ---

    def _tunnel(self, answer: ResponseHead) -> Forwarded:
        self.send(encode_response(self._edit(answer)))
        there = FramedStream(self._client.detach())
        self._client.farewell = there.say_going_away
        result = relay(there, self._upstream.detach(), idle_s=self._upstream.limits.stream_idle_s, on_bytes=self._tell)
        return Forwarded(
            status=101,
            rx=result.a_to_b,
            tx=result.b_to_a,
            reusable_client=False,
            reusable_upstream=False,
            upgraded=True,
            outcome=result.outcome,
        )

    def _no_answer(self, error: StreamError | MessageError) -> Forwarded:
        """Nothing final went to the client: say what it shall be told."""
        fault = self._upload.client_fault
        if fault is not None:
            return self._ended(0, f"client: {fault}")._replace(answer=_client_status(fault))
        if self._early:
            return self._ended(0, f"client: {error}")._replace(answer=400)
        status = 504 if isinstance(error, StreamTimeout) else 502
        bare = self._client.framing in (NONE, Framing("length", 0))
        silent = not self._heard and not self._upstream.buffered and type(error) is StreamError
        return self._ended(0, f"upstream: {error}")._replace(answer=status, retryable=bare and silent)

    def _ended(self, status: int, outcome: str, *, client: bool = False, upstream: bool = False) -> Forwarded:
        return Forwarded(
            status=status,
            rx=self._upload.moved,
            tx=self._tx,
            reusable_client=client,
            reusable_upstream=upstream,
            outcome=outcome,
        )


def _is_events(answer: ResponseHead) -> bool:
    return (answer.get(b"Content-Type") or b"").lower().startswith(b"text/event-stream")


def _outgoing(head: RequestHead, client: HttpConnection) -> tuple[RequestHead, bool]:
    """The head as it goes up, and whether it asks for a websocket. :raises MessageError: 400, 417, 426.

    With bytes behind it, which a tunnel would hide from everybody who looks at requests, it asks for none.
    """
    framing = client.framing
    if framing.kind == "none" and head.minor and head.block.index.keys().isdisjoint(_CHANGED):
        return head, False
    clean = hop_by_hop(head)
    upgrade = wants_websocket(clean) and head.method == b"GET" and head.minor == 1 and framing.kind == "none"
    if upgrade:
        check_handshake(head)
        upgrade = not client.buffered
    if not upgrade and wants_websocket(clean):
        clean = clean.without(b"Connection", b"Upgrade")
    sent = clean.edited(_REPLACED, _framing_fields(framing) + _expect_fields(head, framing))
    return sent if sent.minor else replace(sent, minor=1), upgrade


def _framing_fields(framing: Framing) -> tuple[tuple[bytes, bytes], ...]:
    if framing.kind == "chunked":
        return ((b"Transfer-Encoding", b"chunked"),)
    if framing.kind == "length":
        return ((b"Content-Length", b"%d" % framing.length),)
    return ()


def _expect_fields(head: RequestHead, framing: Framing) -> tuple[tuple[bytes, bytes], ...]:
    """The upstream decides about 100-continue; without a body, or in HTTP/1.0, there is nothing to decide.

    Source: RFC 9110 §10.1.1.
    """
    expects = head.all(b"Expect") if b"expect" in head.names else ()
    if not expects or not head.minor:
        return ()
    if any(expect.lower() != b"100-continue" for expect in expects):
        raise MessageError(417, "the only expectation met here is 100-continue")
    return ((b"Expect", b"100-continue"),) if framing not in (NONE, Framing("length", 0)) else ()


@remembered
def _without_hops(block: Block) -> Block:
    """The fields of an answer that opens no websocket."""
    try:
        clean = without_hops(block)
        return clean.edited(_UPGRADE) if b"upgrade" in clean.index else clean
    except MessageError as error:
        raise MessageError(502, str(error)) from error


def _is_here(framing: Framing, sender: HttpConnection) -> bool:
    """Whether all of a message came already."""
    return framing.kind == "none" or (framing.kind == "length" and framing.length <= len(sender.buffered))


def _client_status(fault: StreamError | MessageError) -> int:
    if isinstance(fault, MessageError):
        return fault.status
    return 408 if isinstance(fault, StreamTimeout) else 0
