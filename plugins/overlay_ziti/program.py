"""The `ziti` program as a child of ours: what is asked of it, and that it never outlives us."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import tty
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from zrokd.errors import StartError

from .machinery import environment

OLDEST, BEYOND = (1, 2), (2, 0)
ASK_S = 60.0
_PR_SET_PDEATHSIG = 1
_PRCTL = ctypes.CDLL(None, use_errno=True).prctl
_VERSION = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)")
_FATAL = re.compile(r'FATAL|fatal|panic:|"error"|error:', re.IGNORECASE)


class Program:
    """One `ziti` binary, run with `home` as its home folder. Every call may switch greenlets and block a process."""

    def __init__(self, binary: Path, home: Path, environ: Mapping[str, str] | None = None) -> None:
        self.binary, self.home = binary, home
        self._environ = environment(home, os.environ if environ is None else environ)

    def version(self) -> tuple[int, int, int]:
        """What it says of itself; (0, 0, 0) is a build from source.

        :raises StartError: it is not there, is no `ziti`, or is of a version that cannot be managed.
        """
        said = self.ask("version")
        found = _VERSION.search(said)
        if not found:
            raise StartError(f"{self.binary} is no ziti program: it calls its version {said.strip()[:80]!r}")
        major, minor, patch = (int(part) for part in found.groups())
        if (major, minor, patch) != (0, 0, 0) and not OLDEST <= (major, minor) < BEYOND:
            raise StartError(
                f"{self.binary} is ziti {major}.{minor}.{patch}; a managed network needs at least"
                f" {OLDEST[0]}.{OLDEST[1]} and less than {BEYOND[0]}.{BEYOND[1]}"
            )
        return major, minor, patch

    def make_admin(self, config: Path, username: str, password: str) -> None:
        """Make a controller's database with its first administrator.

        The password goes through a terminal of its own, so that no list of processes shows it. :raises StartError:
        """
        ours, theirs = os.openpty()
        try:
            tty.setraw(theirs)
            os.write(ours, f"{password}\r{password}\r".replace("\r", "\n").encode())
            self.ask("controller", "edge", "init", str(config), "-u", username, stdin=theirs)
        finally:
            os.close(ours)
            os.close(theirs)

    def enrol_router(self, config: Path, token: Path) -> None:
        """Get a router its certificates. :raises StartError: the controller refused."""
        self.ask("router", "enroll", str(config), "--jwt", str(token), "--keyAlg", "EC")

    def ask(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> str:
        """What one call prints. :raises StartError: it failed, with the reason, or did not end in time."""
        with self.start(*arguments, stdin=stdin, output=subprocess.PIPE) as child:
            try:
                said = child.communicate(timeout=ASK_S)[0].decode(errors="replace")
            except subprocess.TimeoutExpired:
                raise StartError(f"`ziti {' '.join(arguments[:3])}` did not end within {ASK_S:.0f} s") from None
            finally:
                with suppress(ProcessLookupError):
                    child.kill()
        if child.returncode:
            raise StartError(f"`ziti {' '.join(arguments[:3])}` failed: {_reason(said)}")
        return said

    def start(
        self, *arguments: str, output: int | IO[bytes], stdin: int = subprocess.DEVNULL, cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """A running child; the caller ends and reaps it. It ends with the thread that calls: call from the hub's own.

        :raises StartError: the binary cannot be run.
        """
        parent = os.getpid()
        try:
            return subprocess.Popen(  # noqa: S603  the operator names the program
                [str(self.binary), *arguments],
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environ,
                cwd=cwd or self.home,
                start_new_session=True,  # Ctrl-C of a terminal is ours to answer
                preexec_fn=lambda: _end_with(parent),  # noqa: PLW1509  it takes no lock: one call, loaded before
            )
        except FileNotFoundError:
            raise StartError(f"no program at {self.binary}; docs/ziti.md says where to get ziti") from None
        except OSError as error:
            raise StartError(f"{self.binary} cannot be run: {error.strerror}") from error


def end(child: subprocess.Popen[Any], patience_s: float) -> int:
    """Its exit code, after SIGTERM and, when it takes longer than `patience_s`, SIGKILL. Switches greenlets."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


def _end_with(parent: int) -> None:
    """In the child, before it becomes the program: SIGKILL as soon as who started it is gone, however that ends."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _reason(said: str) -> str:
    """The telling end of what a program printed."""
    lines: Sequence[str] = [line.strip() for line in said.splitlines() if line.strip()]
    return " / ".join([line for line in lines if _FATAL.search(line)][-3:] or lines[-3:])[:600]
