"""The page that lists a folder."""

from __future__ import annotations

import html
import os
import time
from typing import NamedTuple

from .target import quote

_MOST_ENTRIES = 10_000
_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% } td, th { padding: .2rem 1rem .2rem 0; text-align: left }
td { overflow-wrap: anywhere } td + td { white-space: nowrap; text-align: right; color: #666 } a { color: #06c }"""


class Entry(NamedTuple):
    """One line of the listing."""

    folder: bool
    name: bytes
    size: int  # bytes; -1 is not told
    modified_s: float


def entries(descriptor: int, *, hidden: bool) -> list[Entry]:
    """What a folder holds, folders first, by name. Blocks on the disk. `descriptor` must be readable."""
    found = []
    with os.scandir(descriptor) as scan:
        for entry in scan:
            if entry.name.startswith(".") and not hidden:
                continue
            found.append(_entry(entry))
            if len(found) > _MOST_ENTRIES:
                break
    return sorted(found, key=lambda entry: (not entry.folder, entry.name))


def _entry(entry: os.DirEntry[str]) -> Entry:
    name = os.fsencode(entry.name)
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return Entry(False, name, -1, 0.0)
    folder = entry.is_dir(follow_symlinks=False)
    return Entry(folder, name, status.st_size if entry.is_file(follow_symlinks=False) else -1, status.st_mtime)


def page(parts: list[bytes], found: list[Entry]) -> bytes:
    """The listing as HTML. Names are escaped: whoever may write into the folder may not write scripts into the page."""
    title = html.escape("/" + "".join(f"{_shown(part)}/" for part in parts))
    rows = [_row(entry) for entry in found[:_MOST_ENTRIES]]
    if parts:
        rows.insert(0, '<tr><td><a href="../">../</a></td><td></td><td></td></tr>')
    rest = "<p>There is more; only the first names are shown.</p>" if len(found) > _MOST_ENTRIES else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n<h1>{title}</h1>\n<table>\n"
        + "\n".join(rows)
        + f"\n</table>{rest}\n</body></html>\n"
    ).encode()


def _row(entry: Entry) -> str:
    slash = "/" if entry.folder else ""
    link = f"./{quote(entry.name).decode()}{slash}"  # with ./ a colon in a name makes no scheme
    size = "" if entry.size < 0 else _size(entry.size)
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(entry.modified_s))
    return (
        f'<tr><td><a href="{link}">{html.escape(_shown(entry.name))}{slash}</a></td><td>{size}</td><td>{when}</td></tr>'
    )


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
