"""Secrets of our own making: one file each, in a folder that only we may enter."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from zrokd.config.statedir import unusable
from zrokd.errors import Invalid

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def place(state_dir: Path, name: str) -> Path:
    """Where the secret `name` is kept. :raises Invalid: that is no name."""
    if not _NAME.fullmatch(name):
        raise Invalid("a name has letters, digits, _, . and - only, and at most 64 of them")
    return state_dir / "secrets" / name


def make(file: Path) -> None:
    """A new random secret in `file`, mode 0600, in a folder of mode 0700; one that is there already stays.

    Written whole or not at all. Blocks on the disk. :raises StartError: the system refused.
    """
    fresh = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        if file.exists():
            return
        file.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            _write(fresh, secrets.token_urlsafe(32) + "\n")
            _keep(fresh, file)
        finally:
            fresh.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise unusable(file.parent.parent, error) from error


def _write(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())


def _keep(fresh: Path, file: Path) -> None:
    """Give `fresh` its name, unless another process was first: a link never replaces, a rename would."""
    try:
        file.hardlink_to(fresh)
    except FileExistsError:
        return
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
