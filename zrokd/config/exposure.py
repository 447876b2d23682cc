"""Which secrets a configuration holds, and which of them others on this machine can read."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from zrokd.config.tree import KeyPath, Tree
from zrokd.config.values import find_all
from zrokd.errors import Problem
from zrokd.model.units import Secret


def secrets_in(value: Any) -> Iterator[tuple[KeyPath, Secret]]:
    """Every secret below `value` that is not empty, and where it stands in the tree."""
    return ((path, secret) for path, secret in find_all(Secret, value) if secret)


def warnings_for(tree: Tree, secrets: Iterable[tuple[KeyPath, Secret]]) -> Iterator[Problem]:
    """One warning per file that holds a secret and can be read by others."""
    told: set[Path] = set()
    for path, _ in secrets:
        origin, mark = tree.origins.get(tree.as_written(path)), tree.mark(path)
        holder = origin.file if origin else Path(mark.file) if mark and mark.line else None
        if holder is None or holder in told or not _is_exposed(holder):
            continue
        told.add(holder)
        if origin:
            message, hint = f"{holder} holds a secret and can be read by others", f"run chmod 600 {holder}"
        else:
            message = "a secret stands in a file that can be read by others"
            hint = f"run chmod 600 {holder}, or write !file, !cred or !secret"
        yield tree.problem(message, path, hint=hint)


def _is_exposed(file: Path) -> bool:
    """Whether others may read it. Root's files may be given to the group of a service: that is how it is done."""
    try:
        status = file.stat()
    except OSError:
        return False
    group = bool(status.st_mode & stat.S_IRGRP) and status.st_uid != 0
    return bool(status.st_mode & stat.S_IROTH) or group
