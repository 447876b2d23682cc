"""An overlay with a service on it, for OverlayContract and for suites that go on where it ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from zrokd.contracts import Listener, Node, OverlayAdmin, Stream
from zrokd.errors import OverlayError, StreamClosed, StreamError

WAIT_S = 10.0


@dataclass
class Rig:
    """An overlay with a service `svc`, one who may bind it and one who may dial it."""

    admin: OverlayAdmin
    z_id: str  # of the one who binds
    backend: Node
    visitor: Node
    group: Any

    def pair(self, listener: Listener, terminator: str | None = None) -> tuple[Stream, Stream]:
        """A stream dialled to `svc`, and its end at `listener`."""
        dialling = self.group.spawn(self.visitor.dial, "svc", terminator=terminator, timeout_s=WAIT_S)
        far, _ = listener.accept()
        return dialling.get(timeout=WAIT_S), far

    def serve(self, listener: Listener, answer: Callable[[Stream], None]) -> None:
        """Give each stream of `listener` to `answer`, in a greenlet each, until the listener closes."""

        def one(stream: Stream) -> None:
            with closing(stream), suppress(StreamError):
                answer(stream)

        def loop() -> None:
            with suppress(StreamClosed, OverlayError):
                while True:
                    self.group.spawn(one, listener.accept()[0])

        self.group.spawn(loop)


def echo(stream: Stream) -> None:
    """Send back what comes, up to its end."""
    while data := stream.recv(65536, WAIT_S):
        stream.send(data, WAIT_S)
    stream.send_eof()


def read_all(stream: Stream) -> bytes:
    """Everything up to the end."""
    return b"".join(iter(lambda: stream.recv(65536, WAIT_S), b""))
