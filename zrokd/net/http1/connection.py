"""One HTTP/1.1 connection: heads and bodies over a stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from zrokd.contracts.overlay import Stream
from zrokd.errors import MessageError, StreamError, StreamTimeout
from zrokd.model.http import RequestHead, ResponseHead
from zrokd.net.http1.body import BodyReader, BodyWriter, LimitedReader, make_reader, too_large
from zrokd.net.http1.framing import NONE, Framing
from zrokd.net.http1.head import RequestJudge, check_request_line, judge_response
from zrokd.net.http1.hops import keeps_alive
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.replay import ReplayStream
from zrokd.net.pipes import Pipe
from zrokd.net.stream import SocketStream
from zrokd.net.turns import give_way

_HEAD_RECV = 16 * 1024
_BODY_RECV = 64 * 1024
_LAST_S, _LOOK_S = 1.0, 0.001
_SOON_S = 5.0


class HttpConnection:
    """One end of an HTTP/1.1 connection. One greenlet may read while another writes. The caller closes the stream."""

    def __init__(self, stream: Stream, limits: HttpLimits) -> None:
        self.stream = stream
        self.limits = limits
        self._judge = RequestJudge(secure=stream.secure)
        self.keep_alive = True  # what the last head read allows; a caller may set it to False
        self.idle = True  # between two exchanges: may be closed without loss
        self.framing = NONE  # of the body that follows the head read last
        self.reading_since_s: float | None = None  # on the monotonic clock, while a head comes
        self.farewell: Callable[[], None] | None = None  # ends what may last for ever in good order; may switch
        self.requests = 0
        self._ahead = 0  # requests that were here before the one before them was answered, in a row
        self._buffer = b""

    @property
    def buffered(self) -> bytes:
        """Bytes that came and were not used."""
        return self._buffer

    # -- reading ---

    def read_request(self) -> RequestHead | None:
        """The next request's head; None at the end, or when none came in time. Switches greenlets.

        :raises MessageError: it is refused, with the status to answer; this connection is of no more use after that.
        :raises StreamError: the connection broke.
        """
        if self._buffer:
            self._take_turns()
        elif not self._await_first_byte():
            return None
        self.idle = False
        judge, limits = self._judge, self.limits
        head = judge.judge(self._read_head(limits.head_s, request=True), limits)
        self.framing = judge.framing
        self.requests += 1
        self.keep_alive &= judge.keeps_alive and self.requests < limits.keep_alive_requests
        return head

    def _take_turns(self) -> None:
        """Who sends requests ahead could keep us busy without a pause."""
        self._ahead += 1
        if self._ahead % self.limits.pipelined == 0:
            give_way()

    def _await_first_byte(self) -> bool:
        self.idle, self._ahead = True, 0
        wait_s = self.limits.keep_alive_s if self.requests else self.limits.head_s
        if self.requests and not self.keep_alive:  # a drain began after we had promised to serve another
            wait_s = min(wait_s, _LAST_S)
        try:
            if self.requests and not self._await_another(wait_s):  # the first is mostly here already
                return False
            self._buffer = self.stream.recv(_HEAD_RECV, wait_s)
        except StreamError:  # late, reset, or closed by a drain: nothing was asked, so nothing is lost
            return False
        return bool(self._buffer)

    def _await_another(self, wait_s: float) -> bool:
        """Whether a further request begins in time. When none comes soon, what the last one said is given up."""
        if self.stream.wait_readable(min(wait_s, _SOON_S)):
            return True
        self._judge.forget()
        return wait_s > _SOON_S and self.stream.wait_readable(wait_s - _SOON_S)

    def read_response(self, method: bytes, timeout_s: float | None = None) -> ResponseHead:
        """The next answer's head, interim ones included; first byte within `timeout_s` (default: the limit's).

        :raises MessageError: 502: it is malformed.
        :raises StreamTimeout: it did not come in time.
        :raises StreamError: the connection broke, or ended.
        """
        self.idle = False
        wait_s = self.limits.first_byte_s if timeout_s is None else timeout_s
        if not self._buffer and not self.stream.wait_readable(wait_s):
            raise StreamTimeout(f"no answer within {wait_s:g} s")
        return self.take_response(method)

    def take_response(self, method: bytes) -> ResponseHead:
        """As `read_response`, when its first byte is here already."""
        self.idle = False
        data = self._read_head(self.limits.first_byte_s, request=False)
        head, self.framing = judge_response(data, self.limits, method)
        self.keep_alive = keeps_alive(head)
        return head

    def _read_head(self, limit_s: float, *, request: bool) -> bytes:
        """The bytes of one head, which mostly came as a whole."""
        buffer = self._buffer or self._more_head(limit_s, request=request)
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or (request and buffer.startswith(b"\r")):
            self._buffer = buffer
            end = self._await_head(limit_s, request=request)
            buffer = self._buffer
        self._buffer = buffer[end + 4 :]
        return buffer[: end + 4]

    def _await_head(self, limit_s: float, *, request: bool) -> int:
        """Where its empty line begins. A client's slowness is its own fault, an upstream's is ours to tell apart."""
        self.reading_since_s = time.monotonic()
        deadline = self.reading_since_s + limit_s
        checked = 0
        if request:
            self._skip_empty_line(deadline)
        while (end := self._buffer.find(b"\r\n\r\n", max(checked - 3, 0))) < 0:
            self._check_partial(checked, request=request)
            checked = len(self._buffer)
            self._buffer += self._more_head(_until(deadline), request=request)
        self.reading_since_s = None
        return end

    def _skip_empty_line(self, deadline: float) -> None:
        """One empty line before a request is allowed. Source: RFC 9112 §2.2."""
        while self._buffer == b"\r":
            self._buffer += self._more_head(_until(deadline), request=True)
        self._buffer = self._buffer.removeprefix(b"\r\n")

    def _check_partial(self, checked: int, *, request: bool) -> None:
        """Refuse as soon as it can only get worse."""
        status, limit = (400, self.limits.head_bytes) if request else (502, self.limits.response_head_bytes)
        fresh = self._buffer[max(checked - 1, 0) :]
        if fresh.count(b"\n") != fresh.count(b"\r\n") + (checked > 0 and fresh[:1] == b"\n"):
            raise MessageError(status, "a line ends without CR")
        if request:
            check_request_line(self._buffer, self.limits)
        if len(self._buffer) > limit:
            raise MessageError(431 if request else 502, f"the head is larger than {limit} bytes")

    def _more_head(self, left_s: float, *, request: bool) -> bytes:
        try:
            data = self.stream.recv(_HEAD_RECV, left_s)
        except StreamTimeout as error:
            if request:
                raise MessageError(408, "the head did not come in time") from error
            raise
        if data:
            return data
        if request and self._buffer:
            raise MessageError(400, "the stream ended within a head")
        raise StreamError(f"the stream ended {'within' if self._buffer else 'before'} a head")

    def take(self, max_bytes: int, timeout_s: float | None) -> bytes:
        """Buffered bytes, or the next to come; b"" at the end of the stream. For body readers."""
        if self._buffer:
            data, self._buffer = self._buffer[:max_bytes], self._buffer[max_bytes:]
            return data
        return self.stream.recv(min(max_bytes, _BODY_RECV), timeout_s)

    def push_back(self, data: bytes) -> None:
        """Give back what was taken too much. For body readers."""
        if data:
            self._buffer = data + self._buffer

    def request_reader(self) -> BodyReader:
        """Reads the body of the request read last, within the client's limits. :raises MessageError: 413."""
        reader = make_reader(self, self.framing, self.limits.body_idle_s, least=True)
        most = self.limits.body_bytes
        if most is None:
            return reader
        if self.framing.kind == "length" and self.framing.length > most:
            raise too_large()
        return LimitedReader(reader, most) if self.framing.kind == "chunked" else reader

    def reader(self, framing: Framing, idle_s: float | None = None) -> BodyReader:
        """Reads the body of the answer read last; `idle_s` replaces the limit between two pieces."""
        return make_reader(self, framing, self.limits.response_idle_s if idle_s is None else idle_s, least=False)

    # -- writing ---

    def send(self, data: bytes) -> None:
        """Hand over all of `data`. Switches greenlets. :raises StreamTimeout: the peer stalls."""
        self.stream.send(data, self.limits.write_stall_s)

    def send_pipe(self, pipe: Pipe, count: int) -> None:
        """The same with `count` bytes in a pipe, where a kernel socket stands behind the stream."""
        assert isinstance(self.stream, SocketStream)
        self.stream.send_pipe(pipe, count, self.limits.write_stall_s)

    def send_head(self, head: bytes) -> None:
        """Send an encoded head. Switches greenlets."""
        self.send(head)

    def writer(self, framing: Framing, head: bytes = b"") -> BodyWriter:
        """Writes a body; `head` travels with its first bytes, or with `flush` or `finish`."""
        return BodyWriter(self, framing, head)

    def send_body(self, framing: Framing, chunks: Iterable[bytes]) -> None:
        """Send a whole body. Switches greenlets."""
        writer = self.writer(framing)
        for chunk in chunks:
            writer.write(chunk)
        writer.finish()

    # -- ending ---

    def unread(self) -> bool:
        """Whether the peer sent what nobody read, or ended. Closing then may cost it our last bytes: linger first."""
        return bool(self._buffer) or not self.stream.is_idle()

    def linger(self) -> None:
        """End our direction and throw away what still comes, within limits, so that the peer reads our last answer.

        Source: RFC 9112 §9.6. Switches greenlets; never raises.
        """
        self.keep_alive = False
        deadline = time.monotonic() + self.limits.linger_s
        left = self.limits.linger_bytes
        try:
            self.stream.send_eof()
            while left > 0 and (left_s := deadline - time.monotonic()) > 0:
                data = self.stream.recv(_BODY_RECV, left_s)
                if not data:
                    return
                left -= len(data)
        except StreamError:
            return  # it is over either way

    def detach(self) -> Stream:
        """The stream, for other bytes than HTTP; what was buffered comes first. This object is of no more use."""
        buffer, self._buffer = self._buffer, b""
        return ReplayStream(self.stream, buffer) if buffer else self.stream


def _until(deadline: float) -> float:
    """Seconds left; when none are, time for a look."""
    return max(deadline - time.monotonic(), _LOOK_S)
