"""The controller's leave to reach private shares: asked for, noted, given back, also after a crash."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

from zrokd.client.holds import Hold, Holds
from zrokd.errors import ZrokdError


class Controller(Protocol):
    """What is asked in the name of one environment."""

    def access(self, z_id: str, share_token: str, bind_address: str, description: str) -> tuple[str, str]:
        """Leave to reach a share: the access's token, and the share's mode."""

    def unaccess(self, z_id: str, share_token: str, access_token: str) -> None:
        """Give that back."""

    def unshare(self, z_id: str, token: str) -> None:
        """End a share that a process of this host left behind."""


class Grants:
    """The accesses that one environment holds. Those of a process that was killed are given back by the next one."""

    def __init__(self, controller: Controller, z_id: str, folder: Path, log: logging.Logger) -> None:
        """`folder`: of the holds."""
        self._controller, self._z_id, self._log = controller, z_id, log
        self._holds = Holds(folder, controller, log)
        self._held: dict[str, str] = {}  # access token -> share
        self._settled = False

    def ask(self, share: str, address: str, description: str) -> tuple[str, str]:
        """Leave to reach a share: the access's token, and the share's mode. Switches greenlets.

        :raises ZrokdError: refused, or no answer.
        """
        self._settle()
        with self._holds.offering():
            token, mode = self._controller.access(self._z_id, share, address, description)
            self._held[token] = share
            self._holds.take(Hold(z_id=self._z_id, share=share, access=token))
        return token, mode

    def give_back(self, token: str) -> None:
        """End an access. When the controller is away, the next process does it. Switches greenlets."""
        try:
            self._holds.end(Hold(z_id=self._z_id, share=self._held.pop(token), access=token))
        except ZrokdError as error:
            self._log.warning("an access stays in the controller's books for now: %s", error)

    def move(self, z_id: str) -> None:
        """From now on it is another environment that asks: the one of before was ended, and with it what it held."""
        self._z_id = z_id
        self._held.clear()

    def close(self) -> None:
        """Note no more. Idempotent. Switches greenlets."""
        self._holds.close()

    def _settle(self) -> None:
        if self._settled:
            return
        try:
            for hold in self._holds.settle(self._z_id):
                self._log.info("share %s: what a process that died had of it is ended", hold.share)
            self._settled = True
        except ZrokdError as error:
            self._log.warning("what processes that died left behind could not be ended: %s", error)
