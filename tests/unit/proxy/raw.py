"""A frontend's pipeline on streams that are scripts: bytes in as they are cut, bytes out as they are sent, no sockets.

The share behind it records every byte and takes requests by h11.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import gevent
import h11
from zrokd_plugins.filter_forwarded import ForwardedFilter, ForwardedSettings

from zrokd.contracts import Stream
from zrokd.errors import StreamClosed, StreamTimeout
from zrokd.model.naming import Mapping, MappingChanges
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.meter import Meter
from zrokd.proxy.mapping import MappingTable
from zrokd.proxy.pipeline import Pipeline
from zrokd.proxy.route import route
from zrokd.proxy.rules import Rules
from zrokd.proxy.upstream import PoolLimits, UpstreamPool
from zrokd.proxy.visitors import Visitors

LOG = logging.getLogger("test.raw")
PEER = "192.0.2.1:999"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_TURNS = 500


class Script(Stream):
    """A visitor who sends these pieces, each as one segment, then ends its direction or (`stops`) is silent."""

    def __init__(
        self, pieces: tuple[bytes, ...], peer: str = PEER, *, server_name: str = "", stops: bool = False
    ) -> None:
        self.peer, self._server_name, self._stops = peer, server_name, stops
        self.sent = b""
        self.ended = self.closed = self.aborted = False
        self._pieces = [piece for piece in pieces if piece]

    def recv(self, max_bytes: int, timeout_s: float | None = None) -> bytes:
        if self.closed:
            raise StreamClosed("closed here")
        if not self._pieces:
            if self._stops:
                raise StreamTimeout("the visitor waits")
            return b""
        data, rest = self._pieces[0][:max_bytes], self._pieces[0][max_bytes:]
        self._pieces[:1] = [rest] if rest else []
        return data

    @property
    def secure(self) -> bool:
        return bool(self._server_name)

    @property
    def server_name(self) -> str:
        return self._server_name

    def recv_into(self, buffer: memoryview, timeout_s: float | None = None) -> int:
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def send(self, data, timeout_s: float | None = None) -> None:
        if self.closed or self.ended:
            raise StreamClosed("closed here")
        self.sent += bytes(data)

    def send_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = self.aborted or not self.closed
        self.closed = True

    def wait_readable(self, timeout_s: float | None = None) -> bool:
        if self.closed:
            raise StreamClosed("closed here")
        return True

    def is_idle(self) -> bool:
        return False


class Recorder(Stream):
    """One stream to the share: keeps all bytes, takes requests by llhttp, answers each that is whole."""

    def __init__(self, answers: list[bytes], cuts: tuple[int, ...] = ()) -> None:
        self.seen, self.whole = b"", 0
        self.cuts = list(cuts)  # so much at most is received at once, one time after the other
        self.closed = self.aborted = False
        self.peer_ended = False
        self._answers, self._out = answers, b""
        self._parser = h11.Connection(h11.SERVER)

    def _take(self, data: bytes) -> None:
        self._parser.receive_data(data)
        while (event := self._parser.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.EndOfMessage):
                self._answer()

    def _answer(self) -> None:
        self.whole += 1
        self._out += self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        rest, self._parser = self._parser.trailing_data[0], h11.Connection(h11.SERVER)
        if rest:  # nothing would mean the end to it
            self._parser.receive_data(bytes(rest))

    def send(self, data, timeout_s: float | None = None) -> None:
        if self.closed:
            raise StreamClosed("closed here")
        self.seen += bytes(data)
        self._take(bytes(data))

    def taken(self) -> bytes:
        """The answers that are ready."""
        data, self._out = self._out, b""
        return data

    def recv(self, max_bytes: int, timeout_s: float | None = None) -> bytes:
        self.wait_readable()
        if self.cuts:
            max_bytes = min(max_bytes, self.cuts.pop(0))
        data, self._out = self._out[:max_bytes], self._out[max_bytes:]
        if data[:1] == b"!":  # the script says: break here
            self.closed = True
            return b""
        data, mark, rest = data.partition(b"!")
        self._out = mark + rest + self._out
        return data

    def recv_into(self, buffer: memoryview, timeout_s: float | None = None) -> int:
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def send_eof(self) -> None:
        self.peer_ended = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = self.aborted or not self.closed
        self.closed = True

    def wait_readable(self, timeout_s: float | None = None) -> bool:
        for _ in range(_TURNS):
            if self.closed:
                raise StreamClosed("closed here")
            if self._out:
                return True
            gevent.sleep(0)
        raise StreamTimeout("the share waits for more")

    def is_idle(self) -> bool:
        return not self._out and not self.closed


@dataclass
class Frontend:
    """The pipeline with the filter that everybody uses, and a share under the hosts `a` and `b.example`.

    Another is under `c.example`.
    """

    limits: HttpLimits = field(default_factory=lambda: HttpLimits(linger_s=0.0))
    answers: list[bytes] = field(default_factory=lambda: [OK])
    cuts: tuple[int, ...] = ()  # of what is received on each stream of the share
    gates: dict = field(default_factory=dict)
    trusted: list[str] = field(default_factory=list)
    filters: list = field(default_factory=list)  # besides
    streams: list[Recorder] = field(default_factory=list)
    exchanges: list = field(default_factory=list)
    connections: list = field(default_factory=list)

    def __post_init__(self) -> None:
        self.table = MappingTable()
        tokens = {"a": "tok", "b.example": "tok", "c.example": "other"}
        mappings = tuple(Mapping(version=1, host=host, token=token) for host, token in tokens.items())
        self.table.replace(MappingChanges(epoch="e", version=1, full=True, mappings=mappings))
        settings = ForwardedSettings(trusted_proxies=self.trusted)
        self.pipeline = Pipeline(
            Rules(
                lambda head: route(head, self.table), self.gates, [ForwardedFilter(settings, None), *self.filters], LOG
            ),
            UpstreamPool(self._dial, self.limits, PoolLimits()),
            limits=self.limits,
            visitors=Visitors(100),
            hooks=self,
            meter=Meter(lambda: 0),
            log=LOG,
        )

    def hears(self, hook) -> bool:
        return True

    def on_exchange(self, summary) -> None:
        self.exchanges.append(summary)

    def on_connection_closed(self, summary) -> None:
        self.connections.append(summary)

    def _dial(self, token: str, terminator: str | None = None) -> Recorder:
        self.streams.append(Recorder(self.answers, self.cuts))
        return self.streams[-1]

    def visit(self, *pieces: bytes, peer: str = PEER, server_name: str = "", stops: bool = False) -> Script:
        """A connection from its beginning to its end."""
        script = Script(pieces, peer, server_name=server_name, stops=stops)
        self.pipeline(script)
        script.close()
        return script

    @property
    def seen(self) -> bytes:
        """All that reached the share."""
        return b"".join(stream.seen for stream in self.streams)

    @property
    def whole(self) -> int:
        """Requests that reached the share whole."""
        return sum(stream.whole for stream in self.streams)

    def requests(self) -> list[Request]:
        """The requests that the share saw, by h11. Fails when a stream holds anything else."""
        return [request for stream in self.streams for request in h11_requests(stream.seen)]


@dataclass
class Request:
    method: bytes
    target: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""

    def all(self, name: bytes) -> list[bytes]:
        """The values of a field; the name in lower case."""
        return [value for key, value in self.fields if key == name]

    @property
    def short(self) -> tuple[bytes, bytes, bytes, bytes]:
        return self.method, self.target, self.all(b"host")[0], self.body


def h11_requests(data: bytes) -> list[Request]:
    """All requests in `data`, as h11 reads them. :raises h11.RemoteProtocolError: it is something else."""
    found: list[Request] = []
    while data:
        server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        server.receive_data(data)
        request = server.next_event()
        assert isinstance(request, h11.Request), request
        made = Request(request.method, request.target, [tuple(map(bytes, each)) for each in request.headers])
        while not isinstance(event := server.next_event(), h11.EndOfMessage):
            assert isinstance(event, h11.Data), event
            made.body += bytes(event.data)
        found.append(made)
        data = bytes(server.trailing_data[0])
    return found


def statuses(answers: bytes) -> list[int]:
    """The statuses of all answers in `answers`. Fails when there is more than whole answers with a length."""
    found = []
    while answers:
        head, mark, answers = answers.partition(b"\r\n\r\n")
        assert mark, head
        found.append(int(head.split(b" ", 2)[1]))
        if found[-1] < 200:
            continue
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields[b"content-length"])
        assert len(answers) >= length, "cut short"
        answers = answers[length:]
    return found
