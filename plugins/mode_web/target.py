"""The path of a request, as segments of a file name."""

from __future__ import annotations

from urllib.parse import quote_from_bytes, unquote_to_bytes


def segments(path: bytes) -> list[bytes] | None:
    """The decoded segments of an absolute path, without empty ones; None: no file here can have it.

    Decoded once. `.`, `..`, NUL and an encoded slash are refused, not resolved: an honest client never sends them.
    """
    if not path.startswith(b"/"):
        return None
    found = [unquote_to_bytes(segment) for segment in path.split(b"/")]
    if any(segment in {b".", b".."} or b"/" in segment or b"\0" in segment for segment in found):
        return None
    return [segment for segment in found if segment]


def folder_location(parts: list[bytes], query: bytes) -> bytes:
    """Where a folder asked for without its final slash really is. Never starts with two slashes."""
    path = b"/" + b"".join(quote(part) + b"/" for part in parts)
    return path + (b"?" + query if query else b"")


def quote(name: bytes) -> bytes:
    """A file name as a path segment."""
    return quote_from_bytes(name, safe="").encode()
