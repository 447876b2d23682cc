"""The state directory: made, and held by one daemon at a time."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

from zrokd.config.statedir import unusable
from zrokd.errors import StartError

LOCK = "zrokd.lock"


class StateLock:
    """Holds `state_dir` for this process until `close`."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / LOCK
        self._fd = -1

    def acquire(self) -> None:
        """Make the folder (mode 0700) and take its lock. :raises StartError: says who holds it, or what is wrong."""
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_strangers(folder)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise unusable(folder, error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write_pid()
        except BlockingIOError as error:
            holder = os.pread(self._fd, 20, 0).decode("ascii", "replace").strip()
            self.close()
            raise StartError(
                f"the state directory {folder} is in use by process {holder or '(unknown)'}; "
                "stop that daemon, or give this one a state_dir of its own"
            ) from error
        except OSError as error:
            self.close()
            raise unusable(folder, error) from error

    def _write_pid(self) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let go. The file stays: removing it would let two daemons hold two locks. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _refuse_strangers(folder: Path) -> None:
    """:raises StartError: another user may change what is in the folder."""
    status = folder.stat()
    if status.st_uid not in (os.geteuid(), 0):
        raise StartError(f"the state directory {folder} belongs to another user ({status.st_uid}); choose another")
    if status.st_mode & stat.S_IWOTH:
        raise StartError(f"the state directory {folder} can be written by everybody; run chmod o-w {folder}")
