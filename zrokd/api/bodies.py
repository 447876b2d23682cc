"""Media types and JSON: settled before anything is carried out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from zrokd.errors import Invalid

MEDIA_TYPE = "application/zrok.v1+json"
_TAKEN = frozenset([MEDIA_TYPE, "application/json"])
_RANGES = frozenset(["*/*", "application/*", *_TAKEN])
_MAX_DEPTH = 40
_FEW = 32  # items that are encoded at once
_CHUNK = 64 * 1024  # characters
_encode = json.JSONEncoder(separators=(",", ":")).encode


def acceptable(accept: str | None) -> bool:
    """Whether a client that sends this Accept takes our JSON. Source: RFC 9110 §12.5.1."""
    if not accept:
        return True
    for item in accept.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        refused = any(part.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for part in parameters)
        if name in _RANGES and not refused:
            return True
    return False


def is_json(content_type: str | None) -> bool:
    """Whether a body of this Content-Type is read."""
    return (content_type or "").partition(";")[0].strip().lower() in _TAKEN


def encode(document: Any) -> bytes:
    """A document as JSON."""
    return _encode(document).encode()


def encode_large(document: Any) -> list[bytes]:
    """The same, in chunks, made piece by piece of a document that is used up thereby.

    While a piece is encoded, and while what was read is forgotten, no other thread runs, and the hub is one.
    """
    chunks: list[bytes] = []
    some: list[str] = []
    size = 0
    for piece in _pieces(document):
        some.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            chunks.append("".join(some).encode())
            some, size = [], 0
    return [*chunks, "".join(some).encode()]


def _pieces(document: Any) -> Iterator[str]:
    """Whatever is small is one piece."""
    if _is_small(document):
        yield _encode(document)
        return
    brackets = "[]" if isinstance(document, list) else "{}"
    comma = brackets[0]
    for key, value in _used_up(document):
        yield comma + key
        yield from _pieces(value)
        comma = ","
    yield brackets[1] if comma == "," else brackets


def _used_up(document: Any) -> Iterator[tuple[str, Any]]:
    """What is in it, with the text before each; it is empty then."""
    if isinstance(document, list):
        document.reverse()
        while document:
            yield "", document.pop()
    else:
        for key in list(document):
            yield f"{_encode(key)}:", document.pop(key)


def _is_small(document: Any, level: int = 2) -> bool:
    if not isinstance(document, list | dict):
        return True
    if not level or len(document) > _FEW:
        return False
    inner = document.values() if isinstance(document, dict) else document
    return all(_is_small(item, level - 1) for item in inner)


def decode(data: bytes) -> Mapping[str, Any]:
    """The object in a body. :raises Invalid: no JSON object in UTF-8, a key doubled, too deep, or NaN in it."""
    try:
        document = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the body is not JSON: {error}"[:200]) from error
    if not isinstance(document, dict):
        raise Invalid("the body must be a JSON object")
    if _depth(document) > _MAX_DEPTH:
        raise Invalid("the body is nested too deeply")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _depth(value: Any, level: int = 1) -> int:
    if level > _MAX_DEPTH or not isinstance(value, dict | list):
        return level
    inner = value.values() if isinstance(value, dict) else value
    return max((_depth(item, level + 1) for item in inner), default=level)
