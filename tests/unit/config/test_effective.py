from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import yaml
from pydantic import BeforeValidator, Field, PlainSerializer

from zrokd.config.effective import effective
from zrokd.config.load import Configuration
from zrokd.contracts import Observer, Settings

Load = Callable[..., Configuration]


def printed(configuration: Configuration) -> Any:
    return yaml.safe_load(effective(configuration))


def test_defaults_and_implied_components_are_written_out(load: Load) -> None:
    configuration = load("version: 1\nstate_dir: /srv/x\nroles: {controller: }\n")
    assert printed(configuration) == {
        "version": 1,
        "log": {"level": "info", "format": "auto"},
        "state_dir": "/srv/x",
        "drain": 30.0,
        "health": {},
        "plugin_path": [],
        "storage": {"use": "sqlite", "path": ""},
        "overlay": {"use": "local", "path": ""},
        "auth": [{"use": "token"}],
        "sinks": [],
        "observers": [],
        "roles": {"controller": {"use": "controller"}},
    }


def test_the_keys_stand_in_the_order_of_the_reference(load: Load) -> None:
    tree = printed(load("roles: {backend: }\nversion: 1\n"))
    assert list(tree)[:3] == ["version", "log", "state_dir"]
    assert list(tree)[-1] == "roles"


def test_secrets_are_hidden_wherever_they_stand(load: Load) -> None:
    text = (
        "version: 1\nauth: [{use: secret, secrets: [s3cret-a]}]\nroles:\n"
        "  backend: {token: s3cret-b, shares: [{target: 1, users: ['ann:s3cret-c']}]}\n"
        "  frontend: {token: !env T, gates: {basic: {users: [{username: ann, hash: s3cret-d}]}}}\n"
    )
    shown = effective(load(text, environ={"T": "s3cret-e"}))
    assert "s3cret" not in shown
    assert shown.count("***") == 5


def test_a_secret_that_is_not_there_is_not_shown_as_one(load: Load) -> None:
    assert printed(load("version: 1\nroles: {frontend: }\n"))["roles"]["frontend"]["token"] == ""


def test_paths_are_absolute_so_that_the_text_means_the_same_elsewhere(load: Load, tmp_path: Any) -> None:
    tree = printed(load("version: 1\nstate_dir: x\nroles: {backend: }\n"))
    assert tree["state_dir"] == str(tmp_path / "x")


def test_other_places_are_worked_in(load: Load) -> None:
    text = "version: 1\nroles: {backend: {description: '${A} $$5'}}\n"
    shown = printed(load(text, environ={"A": "x", "ZROKD_LOG__LEVEL": "debug"}, overrides={"drain": "1m"}))
    assert shown["log"]["level"] == "debug"
    assert shown["drain"] == 60.0
    assert shown["roles"]["backend"]["description"] == "x $$5"


def test_components_are_written_in_their_long_form(load: Load) -> None:
    tree = printed(load("version: 1\nroles: {backend: {shares: [{mode: web, target: /srv}]}}\n"))
    assert tree["roles"]["backend"]["shares"][0]["mode"] == {"use": "web", "target": "/srv", "listing": True}


@dataclass(frozen=True)
class Point:
    x: int
    y: int

    def __str__(self) -> str:
        return f"{self.x}/{self.y}"


def _point(value: Any) -> Point:
    return Point(*map(int, str(value).split("/")))


class OddSettings(Settings):
    at: Annotated[Point, BeforeValidator(_point), PlainSerializer(str, return_type=str)] = Point(1, 2)
    many: tuple[Annotated[Point, BeforeValidator(_point)], ...] = Field(default=(), strict=False)
    limit: int | None = 5
    nothing: int | None = None


class OddObserver(Observer):
    name = "odd"
    Settings = OddSettings


def test_types_that_plugins_bring_along_are_written_as_their_models_say(load: Load, registry: Any) -> None:
    registry.classes["observer", "odd"] = OddObserver
    text = "version: 1\nobservers: [{use: odd, at: 3/4, limit: null}]\nroles: {backend: }\n"
    (odd,) = printed(load(text))["observers"]
    assert odd == {"use": "odd", "at": "3/4", "many": [], "limit": None}
    again = load(effective(load(text)))
    assert again.observers[0].settings == load(text).observers[0].settings


@pytest.mark.parametrize(
    "text", ["a\nb", " a ", "yes", "12", "a: b", "#x", "\u2028", "\x85x", "tab\t", "ünï", "'\"", ""]
)
def test_any_text_comes_back_as_it_was(text: str, load: Load) -> None:
    line = yaml.safe_dump({"description": text.replace("$", "$$")}, default_flow_style=True, width=9999)
    first: Any = load(f"version: 1\nroles: {{backend: {line.strip()}}}\n")
    second: Any = load(effective(first))
    assert second.roles["backend"].settings.description == text
