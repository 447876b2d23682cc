"""The names on disk, so that a frontend which starts while its controller is away still knows them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from zrokd.model.naming import Mapping, MappingChanges
from zrokd.model.share import Gating

_FORMAT = 1
_END = "]}\n"
_compact = json.JSONEncoder(separators=(",", ":")).encode
_HIGHEST = 2**53  # a controller refuses to hear of a higher one, and nothing new would be heard for ever


def load(path: Path, log: logging.Logger) -> MappingChanges | None:
    """The snapshot kept at `path`, or None: there is none, or (with a warning) it is not one that we wrote whole.

    Blocks, and takes some 20 µs a name.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return _decode(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("the names kept in %s cannot be read, so they are ignored: %s", path, error.strerror)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        log.warning("the names kept in %s are damaged or not ours, so they are ignored", path)
    return None


def save(path: Path, changes: MappingChanges, log: logging.Logger) -> bool:
    """Keep a full snapshot at `path`, whole or not at all. Whether it worked; when not, the old one is still there.

    Blocks on the disk.
    """
    return write_whole(path, _encode(changes), log)


def write_whole(path: Path, pieces: Iterable[str], log: logging.Logger) -> bool:
    """Write a private file (mode 0600) so that a reader sees the old text or the new one, even after a power cut.

    Whether it worked; when not, one warning was logged. Blocks on the disk.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")  # workers write the same file
    try:
        _write(fresh, pieces)
        fresh.replace(path)
        _sync(path.parent, os.O_DIRECTORY)
    except OSError as error:
        log.warning("%s could not be written, so the old one stays: %s", path, error.strerror)
        with contextlib.suppress(OSError):
            fresh.unlink()
        return False
    return True


def _write(path: Path, pieces: Iterable[str]) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()  # what a crash left behind, whatever its mode is
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path, flags: int) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encode(changes: MappingChanges) -> Iterator[str]:
    """One JSON document, a line a mapping: while one piece is made no other thread runs, and the hub is one."""
    head = json.dumps({"format": _FORMAT, "epoch": changes.epoch, "version": changes.version})
    yield f'{head[:-1]}, "mappings": ['
    comma = "\n"
    for mapping in changes.mappings:
        yield comma + _compact(_encode_mapping(mapping))
        comma = ",\n"
    yield "\n" + _END


def _encode_mapping(mapping: Mapping) -> dict[str, Any]:
    gating = {"gate": mapping.gating.gate, "config": dict(mapping.gating.config)}
    return {
        "version": mapping.version,
        "host": mapping.host,
        "token": mapping.token,
        "mode": mapping.mode,
        "gating": gating,
        "limited": mapping.limited,
        "interstitial": mapping.interstitial,
    }


def _decode(lines: Iterator[str]) -> MappingChanges:
    """What `_encode` wrote, line by line as it did."""
    head = json.loads(next(lines, "") + _END)
    if head["format"] != _FORMAT:
        raise ValueError("written by another version")
    mappings, line = [], ""
    for line in lines:
        if line == _END:
            break
        mappings.append(_decode_mapping(json.loads(line.removesuffix("\n").removesuffix(","))))
    if line != _END or next(lines, None) is not None:
        raise ValueError("it has no end, or goes on behind it")
    return MappingChanges(
        epoch=_text(head["epoch"]), version=_number(head["version"]), full=True, mappings=tuple(mappings)
    )


def _decode_mapping(tree: Any) -> Mapping:
    gating = Gating(gate=_text(tree["gating"]["gate"]), config=_table(tree["gating"]["config"]))
    return Mapping(
        version=_number(tree["version"]),
        host=_text(tree["host"]),
        token=_text(tree["token"]),
        mode=_text(tree["mode"]),
        gating=gating,
        limited=tree.get("limited") is True,  # not written by older versions, as the next
        interstitial=tree.get("interstitial") is not False,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _HIGHEST:
        raise TypeError("not the number of a version")
    return value


def _table(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError("not a table")
    return value
