"""The agent: takes orders that the controller brings over the overlay.

Nobody but the controller may dial it, and there is none unless this host says so (`agent: true`).
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Protocol

from zrokd.client.backoff import Backoff
from zrokd.client.enrolment import EnrolmentFile, enrol
from zrokd.contracts import Context, Listener, Stream, Task
from zrokd.errors import (
    CallFailed,
    Conflict,
    Denied,
    Invalid,
    LimitReached,
    NotFound,
    StreamClosed,
    StreamError,
    Unavailable,
    UnknownService,
    ZrokdError,
)
from zrokd.net import grpc
from zrokd.net.faults import faults
from zrokd.net.grpc import Code
from zrokd.wire.agent_messages import METHODS, pack, unpack

from .office import Office

_SLOW_S = 30.0  # between two tries when the controller said no
_IDLE_S = 60.0  # of a stream on which nothing is asked
_MOST_STREAMS = 16
_CODES: tuple[tuple[type[ZrokdError], Code], ...] = (
    (Invalid, Code.INVALID_ARGUMENT),
    (NotFound, Code.NOT_FOUND),
    (Conflict, Code.ALREADY_EXISTS),
    (Denied, Code.PERMISSION_DENIED),
    (LimitReached, Code.RESOURCE_EXHAUSTED),
    (Unavailable, Code.UNAVAILABLE),
)


class Doer(Protocol):
    """Who carries orders out."""

    def do(self, order: Any) -> object:
        """The answer to a request of `zrokd.model.agent`. :raises ZrokdError: why it is not done."""

    def renew(self, z_id: str) -> bool:
        """Whether there is another environment now that `z_id` was ended."""

    def follow(self, z_id: str) -> None:
        """From now on it is done in this environment. Idempotent."""


class Agent:
    """Of one environment. Everything it does may switch greenlets."""

    def __init__(self, doer: Doer, office: Office, file: EnrolmentFile, ctx: Context) -> None:
        self._doer, self._office, self._file, self._ctx = doer, office, file, ctx
        self._log: logging.Logger = ctx.log
        self._room = threading.Semaphore(_MOST_STREAMS)
        self._streams: set[Stream] = set()
        self._listener: Listener | None = None
        self._task: Task | None = None
        self.trouble = "this host's agent is not reached yet"

    def start(self) -> None:
        """Listen for orders, and return."""
        self._task = self._ctx.spawn(self._run, name="agent")

    def stop(self) -> None:
        """Take no more orders. Idempotent."""
        if self._listener is not None:
            self._listener.close()
        if self._task is not None:
            self._task.kill()
        for stream in list(self._streams):
            stream.abort()

    # -- being reached ---

    def _run(self) -> None:
        backoff = Backoff(limit_s=5.0)
        while True:
            z_id = self._office.z_id
            self._doer.follow(z_id)
            try:
                self._listener = self._bind(z_id)
            except ZrokdError as error:
                self._tell(f"this host's agent is not reached: {error}")
                if isinstance(error, NotFound | Denied) and self._doer.renew(z_id):
                    continue
                time.sleep(backoff.next_s() if isinstance(error, Unavailable) else _SLOW_S)
                continue
            backoff.reset()
            self.trouble = ""
            self._log.info("this host's agent takes orders of its account, through the controller")
            try:
                self._accept(self._listener)
            except StreamClosed:
                return
            except ZrokdError as error:
                self._tell(f"this host's agent is not reached any more: {error}")
            if self._is_revoked(z_id):
                return

    def _bind(self, z_id: str) -> Listener:
        token = self._ctx.offload(self._file.load, z_id)
        if token:
            try:
                return self._office.node.bind(token)
            except UnknownService:
                if self._office.controller.is_agent_enrolled(z_id):
                    raise  # the network needs a moment
        return self._office.node.bind(enrol(self._office.controller, self._file, z_id))

    def _is_revoked(self, z_id: str) -> bool:
        """Whether somebody took the enrolment back while we ran: that stands until this daemon starts anew."""
        try:
            if z_id != self._office.z_id or self._office.is_gone():
                return False
            if self._office.controller.is_agent_enrolled(z_id):
                return False
        except ZrokdError:
            return False  # who binds again will see
        self._tell("this host's agent was unenrolled; it takes no orders until this daemon is started anew")
        return True

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            self._log.warning("%s", trouble)
        self.trouble = trouble

    def _accept(self, listener: Listener) -> None:
        while True:
            stream, caller = listener.accept()
            if not self._room.acquire(blocking=False):
                self._log.warning("%s calls this host's agent while %d others do", caller.identity, _MOST_STREAMS)
                stream.abort()
                continue
            self._streams.add(stream)
            self._ctx.spawn(self._serve, stream, name="order")

    def _serve(self, stream: Stream) -> None:
        try:
            grpc.serve(stream, self._answer, idle_s=_IDLE_S)
        except StreamError as error:
            self._log.debug("a call of this host's agent ended early: %s", error)
        finally:
            stream.close()
            self._streams.discard(stream)
            self._room.release()

    def _answer(self, method: str, message: bytes) -> bytes:
        kinds = METHODS.get(method)
        if kinds is None:
            raise CallFailed(Code.UNIMPLEMENTED, f"there is no {method[:100]}")
        try:
            return pack(self._doer.do(unpack(kinds[0], message)))
        except ZrokdError as error:
            code = next((code for kind, code in _CODES if isinstance(error, kind)), Code.INTERNAL)
            raise CallFailed(code, str(error)) from error
        except faults() as error:
            self._log.exception("an order failed in a way nobody foresaw")
            raise CallFailed(Code.INTERNAL, "it failed; the log of the agent's host has more") from error
