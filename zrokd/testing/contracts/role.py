"""RoleContract: every role passes it, and so does yours."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zrokd.config.load import from_tree
from zrokd.contracts import SLOTS, Health, Role
from zrokd.host.daemon import Daemon
from zrokd.host.modules import check_hooks
from zrokd.host.registry import Registry
from zrokd.testing import leaks

DRAIN_S = 2.0


class RoleContract:
    """The suite for slot role: the role lives in a daemon of its own. Set `Component` and override `tree`."""

    Component: type[Role]

    def tree(self, tmp_path: Path) -> dict[str, Any]:
        """The configuration of a daemon with this role, without `version` and `state_dir`. Ports are 0."""
        raise NotImplementedError

    @pytest.fixture
    def whole_tree(self, tmp_path: Path) -> dict[str, Any]:
        """The configuration, complete."""
        return {"version": 1, "state_dir": str(tmp_path / "s"), **self.tree(tmp_path)}

    @pytest.fixture
    def daemon(self, whole_tree: dict[str, Any]) -> Iterator[Daemon]:
        """A daemon with the role, not started; its reload finds `whole_tree`."""
        registry = Registry()

        def load() -> Any:
            return from_tree(copy.deepcopy(whole_tree), registry=registry, environ={})

        one = Daemon(load(), registry, load=load)
        yield one
        one.stop(0)

    def role(self, daemon: Daemon) -> Role:
        """The role under test."""
        return next(role for role in daemon.components.roles.values() if isinstance(role, self.Component))

    def test_it_fits_its_slot(self) -> None:
        """It is concrete and has a name, and its hooks exist."""
        assert issubclass(self.Component, SLOTS["role"])
        assert not getattr(self.Component, "__abstractmethods__", None)
        assert self.Component.name.isidentifier()
        check_hooks(self.Component, self.Component.__name__)

    def test_every_key_is_described(self) -> None:
        """The description of a key is its documentation."""
        bare = [name for name, field in self.Component.Settings.model_fields.items() if not field.description]
        assert not bare, f"these keys have no description: {bare}"

    def test_it_starts_serves_and_stops(self, daemon: Daemon) -> None:
        daemon.start()
        assert isinstance(self.role(daemon).health(), Health)
        began = time.monotonic()
        daemon.stop(DRAIN_S)
        assert time.monotonic() - began < DRAIN_S + 3, "without visitors a drain is over at once"

    def test_it_gives_everything_back(self, daemon: Daemon) -> None:
        with leaks.nothing_left(10):
            daemon.start()
            daemon.stop(0)

    def test_it_starts_again_from_its_own_state(self, daemon: Daemon, whole_tree: dict[str, Any]) -> None:
        daemon.start()
        daemon.stop(0)
        registry = Registry()
        again = Daemon(from_tree(copy.deepcopy(whole_tree), registry=registry, environ={}), registry)
        again.start()
        again.stop(0)

    def test_a_reload_without_changes_changes_nothing(self, daemon: Daemon) -> None:
        daemon.start()
        before = self.role(daemon)
        assert daemon.reload()
        assert self.role(daemon) is before

    def test_a_role_that_was_opened_only_can_be_closed(self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_role: Role) -> None:
            raise OSError("on purpose")

        monkeypatch.setattr(self.Component, "serve", refuse)
        with pytest.raises(Exception, match="on purpose"):
            daemon.start()
        assert not daemon.components.roles
