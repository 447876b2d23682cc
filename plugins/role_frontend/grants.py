"""The controller's leave to reach private shares: asked for, written down, given back, also after a crash."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

from zrokd.client.files import read_json, write_json
from zrokd.errors import NotFound, StartError, ZrokdError


class Controller(Protocol):
    """What is asked in the name of one environment."""

    def access(self, z_id: str, share_token: str, bind_address: str, description: str) -> tuple[str, str]:
        """Leave to reach a share: the access's token, and the share's mode."""

    def unaccess(self, z_id: str, share_token: str, access_token: str) -> None:
        """Give that back."""


class Grants:
    """The accesses that one environment holds. Kept in a file, so that those of a killed run are given back later."""

    def __init__(self, controller: Controller, z_id: str, path: Path, log: logging.Logger) -> None:
        self._controller, self._z_id, self._path, self._log = controller, z_id, path, log
        self._held: dict[str, str] = {}  # access token -> share
        self._left: dict[str, str] | None = None  # those of the last run; None: not read yet

    def ask(self, share: str, address: str, description: str) -> tuple[str, str]:
        """Leave to reach a share: the access's token, and the share's mode. Switches greenlets.

        :raises ZrokdError: refused, or no answer.
        """
        self._settle()
        token, mode = self._controller.access(self._z_id, share, address, description)
        self._held[token] = share
        self._write()
        return token, mode

    def give_back(self, token: str) -> None:
        """End an access. When the controller is away, the next run does it. Switches greenlets."""
        try:
            self._unaccess(token, self._held[token])
        except ZrokdError as error:
            self._log.warning("an access stays in the controller's books for now: %s", error)
        else:
            del self._held[token]
            self._write()

    def _settle(self) -> None:
        if self._left is None:
            self._left = self._read()
        while self._left:
            token, share = next(iter(self._left.items()))
            self._unaccess(token, share)
            self._left.pop(token, None)

    def _unaccess(self, token: str, share: str) -> None:
        try:
            self._controller.unaccess(self._z_id, share, token)
        except NotFound:
            self._log.debug("an access to share %s had ended already", share)

    def _read(self) -> dict[str, str]:
        try:
            document = read_json(self._path) or {}
        except StartError as error:
            self._log.warning("%s", error)
            return {}
        return {str(token): str(share) for token, share in document.items()}

    def _write(self) -> None:
        try:
            write_json(self._path, {**(self._left or {}), **self._held})
        except StartError as error:
            self._log.warning("%s", error)
