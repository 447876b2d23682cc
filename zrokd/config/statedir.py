"""Why the state directory cannot be used, and what to do."""

from __future__ import annotations

import errno
from pathlib import Path

from zrokd.errors import StartError

_ADVICE = {
    errno.EACCES: "permission denied; make it belong to this user, or set state_dir",
    errno.EPERM: "permission denied; make it belong to this user, or set state_dir",
    errno.ENOENT: "it cannot be made there; set state_dir",
    errno.ELOOP: "what should be a file in it is a link; remove it",
    errno.ENOTDIR: "a part of the path is a file; set state_dir",
    errno.EEXIST: "it is a file; set state_dir",
    errno.EROFS: "the file system is read only; set state_dir",
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the quota is used up; free some space",
}


def unusable(folder: Path, error: OSError | ValueError) -> StartError:
    """The error to raise when the system refused something in `folder`."""
    number, said = (error.errno or 0, error.strerror) if isinstance(error, OSError) else (0, "")
    why = _ADVICE.get(number, f"{said or error}; set state_dir")
    return StartError(f"cannot use the state directory {folder}: {why}")
