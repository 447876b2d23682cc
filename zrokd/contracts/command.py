"""A sub-command of the `zrokd` program."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from zrokd.contracts.component import Component


class Command(Component):
    """`zrokd NAME ...`. Enabled by being typed: the program loads the entry point `command.NAME` only then."""

    slot = "command"

    @abstractmethod
    def configure(self) -> Any:
        """The `click.Command` or `click.Group` that carries it. Must not import gevent."""
