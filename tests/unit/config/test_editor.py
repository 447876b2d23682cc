from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import Field

from zrokd.config.editor import json_schema
from zrokd.config.load import Configuration
from zrokd.config.schema import TopLevel
from zrokd.config.schema import json_schema as schema_of_files
from zrokd.contracts import Command, Observer, Settings
from zrokd.errors import ConfigError


@pytest.fixture
def schema(registry: Any) -> dict[str, Any]:
    return schema_of_files(registry.classes.values())


def test_it_is_a_schema_and_says_which_draft(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema


def test_our_own_marks_do_not_leave_the_house(schema: dict[str, Any]) -> None:
    assert '"x-' not in json.dumps(schema)


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    used = {part.split('"')[0] for part in json.dumps(schema).split('"#/$defs/')[1:]}
    assert {name.replace("%20", " ") for name in used} <= set(schema["$defs"])


BACKEND = {"version": 1, "roles": {"backend": {}}}


def share(**keys: Any) -> dict[str, Any]:
    return {"version": 1, "roles": {"backend": {"shares": [keys]}}}


def frontend(**keys: Any) -> dict[str, Any]:
    return {"version": 1, "roles": {"frontend": keys}}


RIGHT: dict[str, dict[str, Any]] = {
    "the least": BACKEND,
    "nothing in a role": {"version": 1, "roles": {"backend": None}},
    "a role of another name": {"version": 1, "roles": {"main": {"use": "backend", "token": "x"}}},
    "a role written short": {"version": 1, "roles": {"main": "backend"}},
    "units": BACKEND | {"drain": "30s", "health": {"listen": "127.0.0.1:80"}},
    "bare units": BACKEND | {"drain": 30, "health": {"listen": 80}},
    "ordered slots": BACKEND | {"auth": ["token", {"use": "secret", "secrets": ["x"]}], "sinks": [{"use": "log"}]},
    "a gate by its name": frontend(gates={"basic": {"users": []}}),
    "a gate by use": frontend(gates={"staff": {"use": "basic", "then": {"use": "basic"}}}),
    "a variable for a number": frontend(workers="${WORKERS:-3}", strict="${STRICT:-yes}"),
    "a variable for a choice": BACKEND | {"log": {"level": "${LEVEL:-info}"}},
    "the usual mode": share(target="x:1"),
    "a mode by name": share(mode="web", target="/srv", listing=False),
    "a mode in its long form": share(mode={"use": "web", "target": "/srv"}),
    "the usual mode in its long form": share(mode={"target": "x:1"}),
    "filters": frontend(filters=["forwarded", {"use": "forwarded", "path": "x"}]),
}
WRONG: dict[str, dict[str, Any]] = {
    "no version": {"roles": {"backend": {}}},
    "another version": BACKEND | {"version": 2},
    "no roles": {"version": 1},
    "empty roles": {"version": 1, "roles": {}},
    "an unknown key": BACKEND | {"colour": 1},
    "an unknown role": {"version": 1, "roles": {"frontned": {}}},
    "an unknown use": {"version": 1, "roles": {"x": {"use": "frontned"}}},
    "an unknown key of a role": {"version": 1, "roles": {"backend": {"shars": []}}},
    "an unknown key of a role by use": {"version": 1, "roles": {"x": {"use": "backend", "shars": []}}},
    "a key of another role": {"version": 1, "roles": {"backend": {"listen": 80}}},
    "a wrong choice": BACKEND | {"log": {"level": "loud"}},
    "a text for a number": frontend(workers="two"),
    "a number out of bounds": frontend(limits={"fields": 0}),
    "an unknown filter": frontend(filters=["forward"]),
    "no use in a list": BACKEND | {"auth": [{"secrets": ["x"]}]},
    "a missing key": BACKEND | {"auth": [{"use": "secret"}]},
    "an unknown gate": frontend(gates={"staff": {}}),
    "an unknown key of a gate": frontend(gates={"basic": {"user": []}}),
    "a mistake deep below": frontend(gates={"basic": {"then": {"use": "basic", "users": [{"name": "x"}]}}}),
    "a missing key of the usual mode": share(name="x"),
    "a missing key of a mode": share(mode="web"),
    "a key of another mode": share(mode="web", target="/srv", host_header="keep"),
    "an unknown key of a share": share(target="x:1", privat=True),
    "an unknown mode": share(mode="wbe", target="/srv"),
    "an unknown key in the long form": share(mode={"use": "web", "target": "/srv", "list": True}),
    "a share that is no map": {"version": 1, "roles": {"backend": {"shares": ["/srv"]}}},
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_loads_is_valid_for_an_editor(
    case: str, schema: dict[str, Any], load: Callable[..., Configuration]
) -> None:
    assert [error.message for error in Draft202012Validator(schema).iter_errors(RIGHT[case])] == []
    load(json.dumps(RIGHT[case]))


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_load_is_not_valid_for_an_editor(
    case: str, schema: dict[str, Any], load: Callable[..., Configuration]
) -> None:
    assert not Draft202012Validator(schema).is_valid(WRONG[case])
    with pytest.raises(ConfigError):
        load(json.dumps(WRONG[case]))


def test_meanings_are_shown_while_typing(schema: dict[str, Any]) -> None:
    assert schema["properties"]["drain"]["description"].startswith("How long running requests")
    assert schema["properties"]["roles"]["description"]
    assert schema["$defs"]["mode.web"]["properties"]["listing"] == {
        "default": True,
        "description": "Whether to list.",
        "type": ["boolean", "string"],
        "pattern": "\\$\\{",
    }


class AwkwardSettings(Settings):
    type: str = Field(default="", description="A key that means something to schemas.")
    enum: list[Literal["a"]] = Field(default=[], description="Another.")
    default: int = Field(default=1, description="Another.")
    title: str = Field(default="x", description="Another.")
    properties: dict[str, int] = Field(default={}, description="Another.")


class Awkward(Observer):
    """Its keys are words of JSON Schema."""

    name = "awkward"
    Settings = AwkwardSettings


class Odd(Command):
    name = "odd"


def test_keys_named_like_words_of_the_schema_are_keys(registry: Any) -> None:
    schema = json_schema(TopLevel, [*registry.classes.values(), Awkward])
    Draft202012Validator.check_schema(schema)
    assert list(schema["$defs"]["observer.awkward"]["properties"]) == ["type", "enum", "default", "title", "properties"]
    check = Draft202012Validator(schema).is_valid
    assert check(BACKEND | {"observers": [{"use": "awkward", "type": "x", "title": "y", "properties": {"a": 1}}]})
    assert not check(BACKEND | {"observers": [{"use": "awkward", "type": 1}]})
    assert not check(BACKEND | {"observers": [{"use": "awkward", "enum": ["b"]}]})


def test_commands_are_not_in_files(registry: Any, schema: dict[str, Any]) -> None:
    assert schema_of_files([*registry.classes.values(), Odd]) == schema
