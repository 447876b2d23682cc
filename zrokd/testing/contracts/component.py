"""What every component promises, whatever its slot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import greenlet  # type: ignore[import-untyped]
import pytest

from zrokd.contracts import SLOTS, Component, Health
from zrokd.host.modules import check_hooks
from zrokd.testing import leaks
from zrokd.testing.plugin import Bench, bench


@contextmanager
def no_switch() -> Iterator[None]:
    """Fail when the block lets another greenlet run."""
    switches: list[object] = []
    before = greenlet.settrace(lambda event, pair: switches.append((event, pair)))
    try:
        yield
    finally:
        greenlet.settrace(before)
    assert not switches, "it switched greenlets, and may not"


class ComponentContract:
    """Subclass the suite of your slot, name it Test..., and set `Component`."""

    Component: ClassVar[type[Component]]
    #: Its keys as YAML would give them, without `use`.
    settings: ClassVar[dict[str, Any]] = {}

    def make_settings(self, tmp_path: Path) -> Any:  # noqa: ARG002  for those who need a folder
        """The settings under test; override it where a folder or a port is needed."""
        return self.Component.Settings(**self.settings)

    @pytest.fixture
    def zrokd(self, tmp_path: Path) -> Iterator[Bench]:
        """A place for components."""
        with bench(tmp_path / "bench") as made:
            yield made

    @pytest.fixture
    def component(self, zrokd: Bench, tmp_path: Path) -> Any:
        """The component under test, open."""
        return zrokd.open(self.Component, self.make_settings(tmp_path))

    def test_it_fits_its_slot(self) -> None:
        """It is a subclass of its slot's contract, concrete, and has a name of its own."""
        assert issubclass(self.Component, SLOTS[self.Component.slot])
        assert not getattr(self.Component, "__abstractmethods__", None)
        assert self.Component.name.isidentifier(), "a name is what people write behind `use:`"

    def test_its_hooks_exist(self) -> None:
        """Every hook implementation is spelt right and asks for what there is."""
        check_hooks(self.Component, self.Component.__name__)

    def test_every_key_is_described(self) -> None:
        """The description of a key is its documentation."""
        bare = [name for name, field in self.Component.Settings.model_fields.items() if not field.description]
        assert not bare, f"these keys have no description: {bare}"

    def test_an_unknown_key_is_refused(self) -> None:
        """A misspelt key must not pass silently."""
        with pytest.raises(ValueError, match="no_such_key"):
            self.Component.Settings(**{**self.settings, "no_such_key": 1})

    def test_making_it_takes_nothing(self, zrokd: Bench, tmp_path: Path) -> None:
        """The constructor opens nothing and spawns nothing."""
        settings = self.make_settings(tmp_path)
        before = (leaks.descriptors(), leaks.greenlets(), set(tmp_path.rglob("*")))
        zrokd.bare(self.Component, settings)
        after = (leaks.descriptors(), leaks.greenlets(), set(tmp_path.rglob("*")))
        assert after == before

    def test_closing_twice_and_closing_unopened_is_fine(self, zrokd: Bench, tmp_path: Path) -> None:
        """The host closes after a failed open too."""
        one = zrokd.bare(self.Component, self.make_settings(tmp_path))
        one.close()
        one.close()

    def test_it_gives_everything_back(self, zrokd: Bench, tmp_path: Path) -> None:
        """After its end there are no more descriptors, greenlets and processes than before."""
        zrokd.ctx.offload(int)
        with leaks.nothing_left():
            one = zrokd.open(self.Component, self.make_settings(tmp_path))
            zrokd.close(one)

    def test_a_second_one_opens_after_the_first_closed(self, zrokd: Bench, tmp_path: Path) -> None:
        """A restart finds nothing in its way."""
        settings = self.make_settings(tmp_path)
        zrokd.close(zrokd.open(self.Component, settings))
        zrokd.close(zrokd.open(self.Component, settings))

    def test_its_health_is_told_at_once(self, component: Any) -> None:
        """Health is asked often and must not wait."""
        began = time.monotonic()
        with no_switch():
            assert isinstance(component.health(), Health)
        assert time.monotonic() - began < 1.0
