from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from zrokd.config.configuration import Configuration, plan, plans
from zrokd.config.load import Configuration as LoadConfiguration
from zrokd.contracts import Settings, Sink, Use


class Quiet(Sink):
    name = "quiet"


def use(name: str = "quiet") -> Use:
    made = Use(use=name)
    made.resolve(Quiet, Settings())
    return made


def test_no_component_has_no_plan() -> None:
    assert plan("storage", None, "storage") is None


def test_a_component_is_called_after_its_plugin_unless_it_has_a_name_of_its_own() -> None:
    first, second = plan("sink", use(), "sinks[0]"), plan("role", use(), "roles.x", "x")
    assert first is not None
    assert second is not None
    assert (first.instance, first.name, first.path) == ("quiet", "quiet", "sinks[0]")
    assert (second.instance, second.name, second.path) == ("x", "quiet", "roles.x")
    assert (first.component, first.settings) == (Quiet, Settings())


def test_plans_of_a_list_know_their_places() -> None:
    assert [made.path for made in plans("sink", "sinks", [use(), use()])] == ["sinks[0]", "sinks[1]"]


def test_what_was_checked_cannot_change() -> None:
    made: Any = plan("sink", use(), "sinks[0]")
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.name = "loud"


def test_there_is_one_configuration_class() -> None:
    assert LoadConfiguration is Configuration
