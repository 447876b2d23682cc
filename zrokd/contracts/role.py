"""A job of the daemon: controller, frontend, backend."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from zrokd.contracts.component import Component
from zrokd.errors import RestartNeeded
from zrokd.model.units import Address


class Role(Component):
    """open -> serve -> (reload)* -> drain -> close."""

    slot = "role"
    ends_last = False  # the daemon's other roles need it until they are closed: only then it drains

    @abstractmethod
    def serve(self) -> None:
        """Start working and return: accept loops run in greenlets. The daemon's other roles are open by now."""

    @property
    def workers(self) -> int:
        """How many processes do this role's work, this one included. The host starts the others, and ends them."""
        return 1

    def listening(self) -> Mapping[Address, int]:
        """The descriptors at which all of them accept, by the addresses of the settings. They stay the role's."""
        return {}

    @abstractmethod
    def drain(self, deadline_s: float) -> None:
        """Take nothing new, let what runs end, return when all ended or after `deadline_s` seconds."""

    def reload(self, settings: Any) -> None:
        """Work by `settings` from now on, without cutting what they do not touch. All or nothing.

        :raises RestartNeeded: names the keys that cannot change in a running daemon.
        :raises ZrokdError: the new settings cannot be taken up (a port is taken); the old ones stand.
        """
        if settings != self.settings:
            raise RestartNeeded([f"roles.{self.name}"])
