"""Media types and JSON: settled before anything is carried out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from zrokd.errors import Invalid

MEDIA_TYPE = "application/zrok.v1+json"
_TAKEN = frozenset([MEDIA_TYPE, "application/json"])
_RANGES = frozenset(["*/*", "application/*", *_TAKEN])
_MAX_DEPTH = 40
_FEW = 32  # items that are encoded at once
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


def encode_large(document: Any) -> bytes:
    """The same, in pieces: while one is encoded no other thread runs, and the hub is one."""
    pieces: list[str] = []
    _append(document, pieces)
    return "".join(pieces).encode()


def _append(document: Any, pieces: list[str]) -> None:
    """Whatever is small is one piece."""
    if _is_small(document):
        pieces.append(_encode(document))
        return
    if isinstance(document, list):
        pairs: Iterable[tuple[str, Any]] = (("", item) for item in document)
        brackets = "[]"
    else:
        pairs = ((f"{_encode(key)}:", value) for key, value in document.items())
        brackets = "{}"
    comma = brackets[0]
    for key, value in pairs:
        pieces.append(comma + key)
        _append(value, pieces)
        comma = ","
    pieces.append(brackets[1] if comma == "," else brackets)


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
