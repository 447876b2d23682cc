"""CommandContract: every command passes it, and so does yours."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from zrokd.contracts import Command
from zrokd.testing.contracts.component import ComponentContract

_PROBE = """
import importlib, sys
cls = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
cls(cls.Settings(), None).configure()
print(*[name for name in ("gevent", "falcon", "peewee") if name in sys.modules])
"""


class CommandContract(ComponentContract):
    """The suite for slot command."""

    @pytest.fixture
    def click_command(self, component: Command) -> Any:
        """What `configure` gives."""
        return component.configure()

    def test_it_is_named_as_it_is_typed(self, click_command: Any) -> None:
        assert click_command.name == self.Component.name

    def test_help_is_there_for_it_and_all_below(self, click_command: Any) -> None:
        from click.testing import CliRunner

        for path in self.paths(click_command, ()):
            result = CliRunner().invoke(click_command, [*path, "--help"])
            assert result.exit_code == 0, result.output
            assert "Usage:" in result.output

    def paths(self, command: Any, above: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The command and its sub-commands, as one would type them."""
        below = getattr(command, "commands", {})
        return [above, *(path for name, sub in below.items() for path in self.paths(sub, (*above, name)))]

    def test_a_wrong_option_is_a_usage_error(self, click_command: Any) -> None:
        from click.testing import CliRunner

        assert CliRunner().invoke(click_command, ["--no-such-option"]).exit_code == 2

    def test_its_help_stays_quick(self) -> None:
        """Neither gevent nor a database is imported to show what there is."""
        arguments = [sys.executable, "-c", _PROBE, self.Component.__module__, self.Component.__qualname__]
        told = subprocess.run(arguments, capture_output=True, text=True, check=True)  # noqa: S603
        assert told.stdout.strip() == ""
