"""The bytes of a body from one connection to another.

A long one whose length is known goes from socket to socket within the kernel, through a pipe borrowed for each burst.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from zrokd.net.http1.body import BodyWriter
from zrokd.net.pipes import PIPES, Pipe, PipePool
from zrokd.net.turns import Turns
from zrokd.net.twins import Shortcut

_ROUNDS = 16  # of a burst, then neighbours get their turn


class Body(Protocol):
    """Where bytes come from; see BodyReader."""

    @property
    def done(self) -> bool:
        """Whether the end was read."""

    @property
    def in_kernel(self) -> bool:
        """Whether `wait` and `fill` can be called."""

    def read(self) -> bytes:
        """Some bytes, b"" at the end."""

    def wait(self) -> bool:
        """Wait for bytes to `fill` a pipe with; whether there will be any."""

    def rest(self, shortcut: Shortcut) -> bool:
        """Let bytes go past us, where their writer is in this process; whether some did."""

    def fill(self, pipe: Pipe) -> int:
        """As `read`, into an empty pipe."""


def copy(body: Body, writer: BodyWriter, tell: Callable[[int], None], pipes: PipePool = PIPES) -> None:
    """Write a body until its end; `tell` hears of bytes before they are written. Switches greenlets.

    Raises what `body` and `writer` raise. Nothing switches between the last byte and the return.
    """
    turns = Turns()
    while piece := body.read():
        tell(len(piece))
        writer.write(piece)
        while body.in_kernel and writer.in_kernel and _move(body, writer, tell, pipes):
            pass
        if not body.done:
            turns.pass_on()


def _move(body: Body, writer: BodyWriter, tell: Callable[[int], None], pipes: PipePool) -> bool:
    """Wait for bytes and move them within the kernel. False when it cannot be done."""
    shortcut = Shortcut(writer, tell)
    if body.rest(shortcut):
        shortcut.check()
        return True
    return body.wait() and _burst(body, writer, tell, pipes)


def _burst(body: Body, writer: BodyWriter, tell: Callable[[int], None], pipes: PipePool) -> bool:
    """Move what is here, as much as a turn allows. False when no pipe is to be had."""
    pipe = pipes.take()
    if pipe is None:
        return False
    empty = False
    try:
        for _ in range(_ROUNDS):
            count = body.fill(pipe)
            if not count:
                break
            tell(count)
            writer.drain(pipe, count)
        empty = True
    finally:
        pipes.give(pipe, empty=empty)
    return True
