"""The state directory: made, and held by one daemon at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from zrokd.config.statedir import unusable
from zrokd.errors import StartError
from zrokd.host.owned import refuse_strangers

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
            refuse_strangers(folder, "the state directory", StartError, through_group=True)
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
