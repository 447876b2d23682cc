"""One long-running `ziti` process: started, watched, started again, its words put into our log."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import gevent
from gevent.event import Event

from zrokd.contracts import Context, Health, Task
from zrokd.errors import StartError

from .program import Program, end

_POLL_S = 0.05
_STEADY_S = 60.0  # who ran so long is started again at once
_LONGEST_LINE = 64 * 1024
# The program calls a peer that hung up an error, and its own start a warning.
_LEVELS = {"fatal": logging.ERROR, "panic": logging.ERROR, "error": logging.INFO}
_DEADLY = ("panic:", "fatal error:")  # of Go itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one waits with a process; all in seconds."""

    start_s: float  # until it can work
    stop_s: float  # from SIGTERM to SIGKILL
    first_pause_s: float  # before it is started again; doubles
    longest_pause_s: float
    check_s: float  # between two looks whether it can work
    hang_s: float  # without being able to; then it is killed


class Supervised:
    """`ziti PART run CONFIG`. `ready` may switch greenlets and must answer soon."""

    def __init__(
        self,
        part: str,
        program: Program,
        config: Path,
        ctx: Context,
        *,
        ready: Callable[[], bool],
        patience: Patience,
    ) -> None:
        self.part = part
        self.starts = 0
        self._program, self._config, self._ctx, self._ready = program, config, ctx, ready
        self._patience = patience
        self._log = ctx.log.getChild(part)
        self._mark = config.with_suffix(".pid")
        self._child: subprocess.Popen[bytes] | None = None
        self._ending = Event()
        self._keeper: Task | None = None
        self._reader: Task | None = None
        self._why = "it was not started"
        self._last = ""

    @property
    def pid(self) -> int:
        """Of the running process, or 0."""
        return self._child.pid if self._child is not None and self._child.returncode is None else 0

    def start(self) -> None:
        """Start it, wait until it can work, then keep it running. Switches greenlets.

        :raises StartError: it ended, or is not ready in time; its last words are told.
        """
        self._run()
        self._await_ready()
        self._keeper = self._ctx.spawn(self._keep, name=self.part)

    def close(self) -> None:
        """End it; it is reaped when this returns. Idempotent. Switches greenlets."""
        self._ending.set()
        if self._child is not None:
            code = end(self._child, self._patience.stop_s)
            self._log.debug("ended with %d", code)
        self._child = None
        self._why = "it was ended"
        self._mark.unlink(missing_ok=True)
        for task in (self._keeper, self._reader):
            if task is not None:
                task.join(self._patience.stop_s)

    def health(self) -> Health:
        """Whether it runs and was ready since its start."""
        return Health(not self._why, f"the managed {self.part} is away: {self._why}" if self._why else "")

    def end_stale(self) -> None:
        """End what a daemon before us left running from this very configuration. Switches greenlets."""
        with suppress(FileNotFoundError, ValueError, ProcessLookupError):
            pid = int(self._mark.read_text())
            while str(self._config).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                self._log.warning("process %d is left from before; it is ended", pid)
                os.kill(pid, signal.SIGKILL)
                gevent.sleep(_POLL_S)
        self._mark.unlink(missing_ok=True)

    # -- inside ---

    def _run(self) -> None:
        self.starts += 1
        self._why = "it has just been started"
        arguments = (self.part, "run", str(self._config), "--cliagent=false")
        self._child = self._program.start(*arguments, output=subprocess.PIPE)
        self._mark.write_text(f"{self._child.pid}\n")
        assert self._child.stdout is not None
        self._reader = self._ctx.spawn(self._read, self._child.stdout, name=f"{self.part}-output")

    def _await_ready(self) -> None:
        child = self._child  # `close` takes it away while `ready` is asked
        assert child is not None
        within_s = self._patience.start_s
        until = self._ctx.clock.monotonic() + within_s
        while not self._ready():
            if child.poll() is not None:
                raise StartError(f"the managed {self.part} ended with {child.returncode}: {self._last}")
            if self._ctx.clock.monotonic() > until:
                raise StartError(f"the managed {self.part} is not ready within {within_s:g} s: {self._last}")
            self._ending.wait(_POLL_S)
            self._go_on()
        self._go_on()  # `ready` switches
        self._why = ""

    def _go_on(self) -> None:
        if self._ending.is_set():
            raise StartError(f"the managed {self.part} is ended before it was ready")

    def _keep(self) -> None:
        pause_s = self._patience.first_pause_s
        while not self._ending.is_set():
            began = self._ctx.clock.monotonic()
            self._wait_for_end()
            if self._ending.is_set():
                return
            if self._ctx.clock.monotonic() - began > _STEADY_S:
                pause_s = self._patience.first_pause_s
            self._log.error("the managed %s ended: %s; started again in %.1f s", self.part, self._why, pause_s)
            if self._ending.wait(pause_s):
                return
            pause_s = min(2 * pause_s, self._patience.longest_pause_s)
            self._start_again()

    def _wait_for_end(self) -> None:
        """Return when it has ended; kill it when it runs and has not been able to work for too long."""
        child = self._child  # `close` takes it away while `ready` is asked
        assert child is not None
        well_at = self._ctx.clock.monotonic()
        while not _ends_within(child, self._patience.check_s):
            if self._ready():
                self._why, well_at = "", self._ctx.clock.monotonic()
                continue
            self._why = self._why or "it runs and does not answer"
            if self._ctx.clock.monotonic() - well_at > self._patience.hang_s:
                child.kill()
        self._why = self._why or f"exit code {child.returncode}, last words: {self._last}"

    def _start_again(self) -> None:
        try:
            self._run()
            self._await_ready()
        except StartError as error:
            self._why = str(error)
            if self._child is not None:
                end(self._child, self._patience.stop_s)
        else:
            self._log.info("the managed %s is back", self.part)

    def _read(self, output: IO[bytes]) -> None:
        doomed = False  # it said why it ends; what follows are the frames of its stack
        with output:
            while line := output.readline(_LONGEST_LINE):
                level, text = _parsed(line.decode(errors="replace").strip())
                if not text:
                    continue
                self._last = self._last if doomed else text[:300]
                doomed = doomed or level >= logging.ERROR or text.startswith(_DEADLY)
                self._log.log(level, "%s", text)


def _parsed(line: str) -> tuple[int, str]:
    """Level and text of what the program printed."""
    with suppress(ValueError, TypeError, KeyError):
        entry = json.loads(line)
        level = _LEVELS.get(entry["level"], logging.DEBUG)
        return level, ": ".join(str(entry[key]) for key in ("msg", "error") if entry.get(key))
    return logging.DEBUG, line


def _ends_within(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
