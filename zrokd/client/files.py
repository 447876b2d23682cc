"""Small JSON files that hold secrets and state: written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from zrokd.errors import StartError

_MOST_BYTES = 1 << 20


def read_json(path: Path, most_bytes: int = _MOST_BYTES) -> dict[str, Any] | None:
    """The JSON object in `path`; None when there is no such file. One that is longer than `most_bytes` is damaged.

    :raises StartError: it cannot be read, or holds no JSON object.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartError(f"cannot read {path}: {error.strerror}") from error
    return _object(path, data)


def _object(path: Path, data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StartError(f"{path} is damaged: it is not JSON; restore it, or remove it to start anew") from error
    if not isinstance(document, dict):
        raise StartError(f"{path} is damaged: it holds no JSON object; restore it, or remove it to start anew")
    return document


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Put `document` in `path`, mode 0600, folder 0700 when new; after a crash there is the old file or the new one.

    :raises StartError: it cannot be written (no rights, disk full); the previous file is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_synced(temporary, json.dumps(document, indent=1).encode() + b"\n")
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StartError(f"cannot write {path}: {error.strerror}; what it held before is unchanged") from error
    finally:
        with contextlib.suppress(OSError):  # it was renamed, or never made
            temporary.unlink()


def _write_synced(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
