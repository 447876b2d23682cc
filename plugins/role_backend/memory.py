"""Which share has which token, kept over restarts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zrokd.client.files import read_json, write_json
from zrokd.errors import StartError

_VERSION = 1
_MOST_BYTES = 64 << 20  # a million shares


class Memory:
    """`shares.json`: share key -> token, for one environment. Reading and writing switch greenlets."""

    def __init__(self, path: Path, offload: Callable[..., Any], log: logging.Logger) -> None:
        self._path, self._offload, self._log = path, offload, log
        self._writing = threading.Lock()
        self._changes = self._written = 0  # changes made, and how many of them stand in the file
        self._z_id = ""
        self._tokens: dict[str, str] = {}

    def load(self, z_id: str) -> None:
        """Remember what was kept for this environment. A damaged file, or another environment's, is forgotten."""
        self._z_id, self._tokens = z_id, {}
        try:
            kept = self._offload(read_json, self._path, _MOST_BYTES) or {}
        except StartError as error:
            self._log.warning("%s; shares without a name or token of their own get new ones", error)
            return
        tokens = kept.get("shares")
        if kept.get("version") == _VERSION and kept.get("z_id") == z_id and isinstance(tokens, dict):
            self._tokens = {key: token for key, token in tokens.items() if isinstance(token, str)}

    def keys(self) -> set[str]:
        """Keys of all shares remembered."""
        return set(self._tokens)

    def token(self, key: str) -> str:
        """The token of a share, or ""."""
        return self._tokens.get(key, "")

    def put(self, key: str, token: str) -> None:
        """Remember it. When the disk does not take it, that is logged, and it is remembered until the end only."""
        if self._tokens.get(key) != token:
            self._tokens[key] = token
            self._write()

    def forget(self, key: str) -> None:
        """The opposite of `put`. Idempotent."""
        if self._tokens.pop(key, None) is not None:
            self._write()

    def _write(self) -> None:
        self._changes += 1
        mine = self._changes
        with self._writing:  # so that the newest is written last
            if self._written >= mine:
                return  # by who was here before us; with a thousand shares at once the file is written a few times only
            changes = self._changes
            document = {"version": _VERSION, "z_id": self._z_id, "shares": dict(self._tokens)}
            try:
                self._offload(write_json, self._path, document)
                self._written = changes
            except StartError as error:
                self._log.error("%s", error)
