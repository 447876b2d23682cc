"""One worker process: started, asked, and replaced when it crashes, hangs or has something to give back."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
from gevent.event import AsyncResult, Event

from zrokd.contracts import Context, Task
from zrokd.errors import OverlayError, OverlayTimeout
from zrokd.model.units import Secret

from .talk import MOST_BYTES, pack, pair, unpack

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
_STEADY_S = 30.0  # who ran so long is started again at once
_PING_S, _PING_WAIT_S = 5.0, 5.0
_LIBRARY_LOG = {"ZITI_LOG": "1", "ZITI_TIME_FORMAT": "utc"}
_PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")  # nothing else is a worker's business

Answer = tuple[dict[str, Any], int]  # what was said, and a descriptor that is the taker's to close, or -1


class Assistant:
    """`on_event(message, descriptor)` is called with what is no answer; `on_started` with each worker that is ready."""

    def __init__(
        self,
        document: Secret,
        ctx: Context,
        on_event: Callable[[dict[str, Any], int], None],
        on_started: Callable[[], None],
    ) -> None:
        self._document, self._ctx = document, ctx
        self._on_event, self._on_started = on_event, on_started
        self._numbers = itertools.count(1)
        self._asked: dict[int, AsyncResult] = {}
        self._control: socket.socket | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._ready, self._closing = Event(), Event()
        self.trouble = "the worker starts"
        self.starts = 0
        self._tasks: list[Task] = [
            ctx.spawn(self._keep, name="openziti-keep"),
            ctx.spawn(self._watch, name="openziti-watch"),
        ]

    def next_number(self) -> int:
        """For a question, or a listener."""
        return next(self._numbers)

    def ask(self, do: str, wait_s: float, **what: Any) -> Answer:
        """Its answer; waits for a worker that is ready, too. Switches greenlets.

        :raises OverlayTimeout: none in time. :raises OverlayError: the worker died.
        """
        number = self.next_number()
        result = self._asked[number] = AsyncResult()
        try:
            with gevent.Timeout(wait_s, OverlayTimeout(self.trouble or f"no answer within {wait_s:g} s")):
                self._ready.wait()
                self.tell(do, number=number, **what)
                answer: Answer = result.get()
                return answer
        except BaseException:
            self._asked.pop(number, None)
            self._disown(result)
            raise

    def tell(self, do: str, **what: Any) -> None:
        """Say something that has no answer of its own. :raises OverlayError: no worker is there."""
        if self._control is None:
            raise OverlayError(self.trouble or "no worker is there")
        try:
            self._control.send(pack({"do": do, **what}))
        except OSError as error:
            raise OverlayError(f"the worker is gone: {error.strerror}") from error

    def replace(self, why: str) -> None:
        """Kill the worker; the next one starts by itself, and its streams are lost."""
        self._ctx.log.info("the worker is replaced: %s", why)
        if self._child is not None:
            self._child.kill()

    def close(self) -> None:
        """End it. Idempotent. Switches greenlets."""
        self._closing.set()
        if self._child is not None:
            self._child.kill()
        for task in self._tasks:
            task.join(_LONGEST_PAUSE_S)

    # -- life ---

    def _keep(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._closing.is_set():
            began = self._ctx.clock.monotonic()
            self._serve()
            if self._ctx.clock.monotonic() - began > _STEADY_S:
                pause_s = _FIRST_PAUSE_S
            if self._closing.wait(pause_s):
                return
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _serve(self) -> None:
        """Run one worker to its end."""
        self.starts += 1
        ours, theirs = pair()
        with ours:
            with theirs:
                self._child = self._start(theirs)
            self._control = ours
            logging = self._ctx.spawn(self._read_log, self._child, name="openziti-log")
            self._read(ours)
            self._control = None
            self._ready.clear()
            self._child.kill()
            code = self._child.wait()
            logging.join(_PING_WAIT_S)
        if not self._closing.is_set():
            self.trouble = self._ends_with(code)
            self._ctx.log.warning("%s", self.trouble)
        self._child = None
        for result in list(self._asked.values()):
            result.set_exception(OverlayError("the worker died"))

    def _ends_with(self, code: int) -> str:
        if code == 3:
            return self.trouble
        return f"the worker ended by signal {-code}" if code < 0 else f"the worker ended with {code}"

    def _start(self, control: socket.socket) -> subprocess.Popen[bytes]:
        """The identity goes by memory: this library reads files only, and a key needs none."""
        identity = os.memfd_create("identity")
        try:
            os.write(identity, self._document.reveal().encode())
            os.lseek(identity, 0, os.SEEK_SET)
            numbers = (control.fileno(), identity)
            return subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-m", f"{__package__}.worker", *map(str, numbers)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=numbers,
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _LIBRARY_LOG,
            )
        finally:
            os.close(identity)

    def _read(self, control: socket.socket) -> None:
        while True:
            try:
                packet, descriptors, _, _ = socket.recv_fds(control, MOST_BYTES, 1)
            except OSError:
                return
            if not packet:
                return
            self._heard(unpack(packet), descriptors[0] if descriptors else -1)

    def _heard(self, said: dict[str, Any], descriptor: int) -> None:
        if "ready" in said:
            self.trouble = ""
            self._ready.set()
            self._on_started()
        elif "failed" in said:
            self.trouble = f"the identity is not let in: {said['failed']}"
        elif "number" in said:
            self._answer(said, descriptor)
        else:
            self._on_event(said, descriptor)

    def _answer(self, said: dict[str, Any], descriptor: int) -> None:
        result = self._asked.pop(said["number"], None)
        if result is not None:
            result.set((said, descriptor))
        elif descriptor >= 0:
            os.close(descriptor)  # whoever asked waits no more

    def _disown(self, result: AsyncResult) -> None:
        """An answer that came in the moment its asker gave up."""
        if result.ready() and result.successful() and result.value[1] >= 0:
            os.close(result.value[1])

    # -- what it says beside, and whether it lives ---

    def _read_log(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stderr is not None
        with child.stderr as lines:
            for line in lines:
                self._ctx.log.debug("%s", line.decode(errors="replace").rstrip()[:1000])

    def _watch(self) -> None:
        while not self._closing.wait(_PING_S):
            if self._ready.is_set():
                with suppress(OverlayError):
                    self._ping()

    def _ping(self) -> None:
        try:
            self.ask("ping", _PING_WAIT_S)
        except OverlayTimeout:
            self.replace("its loop stands still")


def parse_identity(document: str) -> Secret:
    """The document as the library can read it. :raises OverlayError: it would crash on it."""
    try:
        found = json.loads(document)
        api, own = found.get("ztAPI") or found["ztAPIs"][0], found["id"]
        parts = {name: str(own[name]) for name in ("cert", "key", "ca")}
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise OverlayError("the identity document is no JSON of an OpenZiti identity") from error
    if not str(api).startswith("https://") or not all(parts.values()):
        raise OverlayError("the identity document lacks the controller's address, a certificate or a key")
    return Secret(json.dumps({"ztAPI": api, "id": parts}))
