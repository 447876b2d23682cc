"""What a backend does with a connection."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from zrokd.contracts.component import Component
from zrokd.contracts.overlay import Caller, Stream

#: Every mode that speaks HTTP answers this path itself, with 204 and the fields of `zrokd.net.http1.ping.pong`: so a
#: backend sees that its share can be reached.
PING_PATH = b"/.well-known/zrokd/ping"


class Mode(Component):
    """One share's way of answering. Its settings are the share's own keys in YAML: `target` and what else it takes."""

    slot = "mode"

    #: What a private access listens for: TCP connections or UDP datagrams.
    carries: ClassVar[Literal["stream", "datagram"]] = "stream"
    #: Whether it speaks HTTP, so that a public frontend can stand before it.
    http: ClassVar[bool] = False

    #: Token of the share it serves; set by the backend before `serve` is called.
    share_token: str = ""

    #: Whether public frontends dial it: then who dials is no visitor, and `zrokd.model.http.visitor_of` tells who is;
    #: set by the backend, too.
    public: bool = False

    @abstractmethod
    def serve(self, stream: Stream, caller: Caller) -> None:
        """Answer one connection; returns when it is over. One greenlet per connection; the caller closes the stream."""

    def probe(self) -> str:
        """Why the target does not answer now, or "". Called once at start, to warn. May switch greenlets."""
        return ""

    def drain(self, deadline_s: float) -> None:
        """End idle connections now; running ones may end by themselves until `deadline_s` seconds from now."""
        return
