"""The files of a configuration: the one that was named, and `conf.d/*.yml` beside it."""

from __future__ import annotations

import os
from pathlib import Path

from zrokd.config.merge import merge
from zrokd.config.parse import MAX_BYTES, parse
from zrokd.config.tree import Tree
from zrokd.errors import Problem


def read(path: Path) -> tuple[Tree, tuple[Path, ...]]:
    """The tree of all files, and the files. What cannot be read is a problem of the tree. Blocks on the disk."""
    whole = _read(path, may_be_empty=False)
    parts, problems, warnings = _parts(path.parent / "conf.d")
    merge(whole, [_read(part, may_be_empty=True) for part in parts])
    whole.problems += problems
    whole.warnings += warnings
    return whole, (path, *parts)


def _parts(folder: Path) -> tuple[list[Path], list[Problem], list[Problem]]:
    if not os.path.lexists(folder):
        return [], [], []
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208
    except OSError as error:
        return [], [Problem(f"the folder cannot be read: {reason(error)}", file=str(folder))], []
    ignored = [
        Problem("this file is not read: names end in .yml here", file=str(folder / name))
        for name in names
        if name.endswith(".yaml")
    ]
    return [folder / name for name in names if name.endswith(".yml")], [], ignored


def _read(file: Path, *, may_be_empty: bool) -> Tree:
    try:
        if file.is_dir():
            return Tree(problems=[Problem("this is a folder; name the file in it", file=str(file))])
        if not file.is_file() and file.exists():
            return Tree(problems=[Problem("this is not a regular file", file=str(file))])
        with file.open("rb") as handle:
            raw = handle.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        return Tree(problems=[Problem(f"the file cannot be read: {reason(error)}", file=str(file))])
    return parse(raw, str(file), may_be_empty=may_be_empty)


def reason(error: Exception) -> str:
    """Why the system refused, without its number and the path."""
    return (getattr(error, "strerror", None) or str(error)).lower()
