"""What this host does in the name of an environment: a locked file for each share and each access that somebody serves.

A process that dies, however it dies, drops its locks. So whoever comes next sees what it left in the controller's
books, and ends it. What is served by a process that lives is never touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from zrokd.errors import NotFound, Unavailable

_GATE = ".gate"
_POLL_S = 0.02  # a lock is asked for again and again: to wait inside of the kernel would hold up every greenlet
_LAST_S = 1.0  # for a lock, when a process ends
_MAX_BYTES = 4096


class Controller(Protocol):
    """Who keeps the books."""

    def unshare(self, z_id: str, token: str) -> None:
        """End a share."""

    def unaccess(self, z_id: str, share_token: str, access_token: str) -> None:
        """End an access."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One share, or one access onto one."""

    z_id: str  # of the environment
    share: str  # token
    access: str = ""  # token; "": this is the share itself
    key: str = ""  # what its server calls it
    lasts: bool = False  # whether it stays in the books when nobody serves it
    host: str = ""  # locks of other hosts may not be seen from here

    @property
    def name(self) -> str:
        """Of its file."""
        text = f"access {self.access}" if self.access else f"share {self.share}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class Holds:
    """The holds of one process in one folder. Waiting for locks switches greenlets.

    A folder that cannot be written, or has no locks, only means that nobody cleans up after us.
    """

    wait_s = 40.0  # for a lock: longer than a call to the controller may take

    def __init__(self, folder: Path, controller: Controller, log: logging.Logger) -> None:
        self._folder, self._controller, self._log = folder, controller, log
        self._held: dict[Hold, int] = {}  # open descriptors, each with a shared lock
        self._by_name: dict[str, Hold] = {}
        self._by_key: dict[str, Hold] = {}

    @contextlib.contextmanager
    def offering(self, *, alone: bool = False) -> Iterator[None]:
        """Around the call that may find a share of before again, and `take`: nobody ends it in between.

        `alone`: nor does anybody else offer one. :raises Unavailable: others take longer than that may take.
        """
        with self._gate(fcntl.LOCK_EX if alone else fcntl.LOCK_SH):
            yield

    def take(self, hold: Hold) -> None:
        """From now on this process serves it; inside of `offering`. What has the same key is let go. Idempotent."""
        hold = replace(hold, host=platform.node())
        if hold in self._held:
            return
        if hold.key in self._by_key:
            self._let_go(self._by_key[hold.key])
        with contextlib.ExitStack() as undo, self._forgiving():
            descriptor = os.open(self._folder / hold.name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            undo.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(asdict(hold)).encode(), 0)
            self._held[hold] = descriptor
            self._by_name[hold.name] = hold
            if hold.key:
                self._by_key[hold.key] = hold
            undo.pop_all()

    def is_served(self, share: str) -> bool:
        """Whether another process of this host that lives serves a share."""
        name = Hold(z_id="", share=share).name
        path = self._folder / name
        if name in self._by_name or not path.exists():
            return False
        with self._opened(path) as descriptor:
            return descriptor >= 0 and _parse(descriptor) is not None and not _is_sole(descriptor)

    def end(self, hold: Hold) -> None:
        """End it at the controller, unless another process serves it too. `key` and `lasts` do not matter here.

        :raises ZrokdError: it stays in the books; once this process is gone, the next one may end it.
        """
        held = self._by_name.get(hold.name)
        with self._gate(fcntl.LOCK_EX):
            if held is None:
                self._strike(hold)
            elif _is_sole(self._held[held]):
                self._strike(held)
                self._forget(held)
            else:
                self._let_go(held)

    def settle(self, z_id: str, but: Collection[str] = ()) -> list[Hold]:
        """End at the controller what processes of this host left behind: that. What has a key of `but` stays.

        :raises ZrokdError: the controller does not answer, or refuses; what is left is left for the next time.
        """
        if not self._files():
            return []
        with self._gate(fcntl.LOCK_EX):
            return [hold for path in self._files() if (hold := self._settle_one(path, z_id, but))]

    def close(self) -> None:
        """Let go of everything. What is to end and was not ended is for others to end. Idempotent."""
        with contextlib.suppress(Unavailable), self._gate(fcntl.LOCK_EX, wait_s=_LAST_S):
            for hold in [one for one, descriptor in self._held.items() if one.lasts and _is_sole(descriptor)]:
                self._forget(hold)
        for hold in list(self._held):
            self._let_go(hold)

    # -- inside of the gate ---

    def _settle_one(self, path: Path, z_id: str, but: Collection[str]) -> Hold | None:
        with self._opened(path) as descriptor:
            hold = _parse(descriptor)
            if (
                descriptor < 0
                or (hold and (hold.host != platform.node() or hold.key in but))
                or not _is_sole(descriptor)
            ):
                return None
            ends = hold if hold and hold.z_id == z_id and not hold.lasts else None
            if ends:
                self._strike(ends)
            with self._forgiving():
                path.unlink(missing_ok=True)
            return ends

    def _strike(self, hold: Hold) -> None:
        try:
            if hold.access:
                self._controller.unaccess(hold.z_id, hold.share, hold.access)
            else:
                self._controller.unshare(hold.z_id, hold.share)
        except NotFound:
            self._log.debug("share %s, or the access to it, was gone already", hold.share)

    def _forget(self, hold: Hold) -> None:
        with self._forgiving():
            (self._folder / hold.name).unlink(missing_ok=True)
        self._let_go(hold)

    def _let_go(self, hold: Hold) -> None:
        if self._by_name.get(hold.name) is hold:
            del self._by_name[hold.name]
        if self._by_key.get(hold.key) is hold:
            del self._by_key[hold.key]
        os.close(self._held.pop(hold))

    # -- files ---

    def _files(self) -> list[Path]:
        with self._forgiving():
            return [path for path in self._folder.iterdir() if path.name != _GATE]
        return []

    @contextlib.contextmanager
    def _opened(self, path: Path) -> Iterator[int]:
        """A descriptor; -1 when there is none to be had."""
        descriptor = -1
        with self._forgiving():
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT * (path.name == _GATE) | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    @contextlib.contextmanager
    def _gate(self, how: int, wait_s: float | None = None) -> Iterator[None]:
        """Shared: something is offered. Exclusive: something is ended. :raises Unavailable: not to be had in time."""
        with self._forgiving():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._opened(self._folder / _GATE) as descriptor:
            with self._forgiving():
                _wait(descriptor, how, self.wait_s if wait_s is None else wait_s)
            yield

    @contextlib.contextmanager
    def _forgiving(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._log.debug("%s: what runs here cannot be noted or seen: %s", self._folder, error)


def holds_folder(environment: Path, own: Path) -> Path:
    """Where the holds of an environment are: beside it; where that cannot be written, in `own`."""
    return writable_folder(environment, own) / "holds"


def writable_folder(environment: Path, own: Path) -> Path:
    """The folder of an environment; where it cannot be written, `own`."""
    return environment if os.access(environment, os.W_OK) else own


def _wait(descriptor: int, how: int, wait_s: float) -> None:
    """Lock it. :raises OSError: not here. :raises Unavailable: not within `wait_s` seconds."""
    until = time.monotonic() + wait_s
    while descriptor >= 0:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise Unavailable(
                    "another zrokd of this environment is busy with its shares, and does not come to an end"
                ) from error
            time.sleep(_POLL_S)
        else:
            return


def _is_sole(descriptor: int) -> bool:
    """Whether no other process holds it. Where that cannot be told, another one does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _parse(descriptor: int) -> Hold | None:
    """What a file says; None when it is none of ours, or was not written to its end."""
    try:
        return Hold(**json.loads(os.pread(descriptor, _MAX_BYTES, 0)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
