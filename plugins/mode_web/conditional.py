"""Conditional requests and ranges. Source: RFC 9110 §13 and §14."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime

from zrokd.model.http import RequestHead

_RANGE = re.compile(rb"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one state of a file from another."""

    etag: bytes
    modified_s: int
    size: int

    @property
    def modified(self) -> bytes:
        """As an HTTP date."""
        return formatdate(self.modified_s, usegmt=True).encode()


def version_of(status: os.stat_result) -> Version:
    """The version of a file."""
    etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'
    return Version(etag.encode(), int(status.st_mtime), status.st_size)


def not_modified(head: RequestHead, version: Version) -> bool:
    """Whether the client has this version already. If-None-Match goes before If-Modified-Since."""
    tags = head.get(b"if-none-match")
    if tags is not None:
        return tags.strip() == b"*" or version.etag in [tag.strip().removeprefix(b"W/") for tag in tags.split(b",")]
    since_s = _date_s(head.get(b"if-modified-since"))
    return since_s is not None and version.modified_s <= since_s


def chosen_range(head: RequestHead, version: Version) -> tuple[int, int] | None:
    """(first byte, number of bytes) asked for; None: all. Several ranges, and what is none, count as all.

    :raises ValueError: the range lies outside the file.
    """
    match = _RANGE.fullmatch((head.get(b"range") or b"").strip())
    if head.method != b"GET" or not match or not (match[1] or match[2]) or not _if_range(head, version):
        return None
    if not match[1]:
        return _bounded(max(0, version.size - int(match[2])), version.size - 1, version.size)
    first, last = int(match[1]), int(match[2] or version.size - 1)
    if match[2] and last < first:
        return None
    return _bounded(first, last, version.size)


def _bounded(first: int, last: int, size: int) -> tuple[int, int]:
    if first >= size:
        raise ValueError("the range lies outside the file")
    return first, min(last, size - 1) - first + 1


def _if_range(head: RequestHead, version: Version) -> bool:
    wanted = head.get(b"if-range")
    if wanted is None:
        return True
    return wanted.strip() == version.etag or _date_s(wanted) == version.modified_s


def _date_s(text: bytes | None) -> int | None:
    if text is None:
        return None
    try:
        return int(parsedate_to_datetime(text.decode("ascii")).timestamp())
    except (ValueError, OverflowError):
        return None
