from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zrokd.config.load import Configuration, Plan, from_tree
from zrokd.config.load import load as load_file
from zrokd.errors import ConfigError, Problem
from zrokd.host.registry import Registry
from zrokd.model.units import Address, Secret

Load = Callable[..., Configuration]
Mistakes = Callable[..., tuple[Problem, ...]]


def names(plans: tuple[Plan, ...]) -> list[str]:
    return [plan.name for plan in plans]


def test_the_least_file_is_enough(load: Load, tmp_path: Path) -> None:
    configuration = load("version: 1\nroles: {backend: }\n", environ={"STATE_DIRECTORY": "/var/lib/zrokd/x"})
    assert configuration.state_dir == Path("/var/lib/zrokd/x")
    assert (configuration.version, configuration.drain_s, configuration.plugin_path) == (1, 30.0, ())
    assert (configuration.log.level, configuration.log.format, configuration.health.listen) == ("info", "auto", None)
    assert (configuration.storage, names(configuration.auth), configuration.sinks) == (None, [], ())
    assert configuration.files == (tmp_path / "zrokd.yml",)


def test_a_plan_says_all_that_is_needed_to_make_a_component(load: Load, registry: Any) -> None:
    plan = load("version: 1\nroles: {entrance: {use: frontend, workers: 3}}\n").roles["entrance"]
    assert (plan.slot, plan.name, plan.instance, plan.path) == ("role", "frontend", "entrance", "roles.entrance")
    assert plan.component is registry.classes["role", "frontend"]
    assert isinstance(plan.settings, plan.component.Settings)
    assert plan.settings.workers == 3  # type: ignore[attr-defined]


def test_ordered_slots_keep_the_order_of_the_file(load: Load) -> None:
    configuration = load(
        "version: 1\nauth: [{use: secret, secrets: [x]}, token]\nsinks: [log, {use: log, path: a}]\n"
        "observers:\n  - access_log\nroles: {backend: }\n"
    )
    assert names(configuration.auth) == ["secret", "token"]
    assert [plan.path for plan in configuration.sinks] == ["sinks[0]", "sinks[1]"]
    assert [(plan.slot, plan.instance) for plan in configuration.observers] == [("observer", "access_log")]


IMPLIED: dict[str, tuple[str, str | None, str | None, list[str]]] = {
    "a controller": ("roles: {controller: }", "sqlite", "local", ["token"]),
    "a controller of another name": ("roles: {main: {use: controller}}", "sqlite", "local", ["token"]),
    "a controller written short": ("roles: {main: controller}", "sqlite", "local", ["token"]),
    "a backend": ("roles: {backend: }", None, "local", []),
    "no controller in spite of its name": ("roles: {controller: {use: backend}}", None, "local", []),
    "own choices": (
        "roles: {controller: }\nauth: []\nstorage: {use: sqlite, path: x}\noverlay: {use: local, path: y}",
        "sqlite",
        "local",
        [],
    ),
}


@pytest.mark.parametrize("case", IMPLIED)
def test_what_nobody_needs_to_write_is_implied(case: str, load: Load) -> None:
    text, storage, overlay, auth = IMPLIED[case]
    configuration = load(f"version: 1\n{text}\n")
    assert (configuration.storage.name if configuration.storage else None) == storage
    assert (configuration.overlay.name if configuration.overlay else None) == overlay
    assert names(configuration.auth) == auth


STATE: dict[str, tuple[str, dict[str, str], str]] = {
    "absolute": ("state_dir: /srv/x", {}, "/srv/x"),
    "relative to the file": ("state_dir: x/../y", {}, "DIR/y"),
    "from a variable": ("state_dir: ${WHERE}/x", {"WHERE": "/srv"}, "/srv/x"),
    "from a reference": ("state_dir: !env WHERE", {"WHERE": "/srv"}, "/srv"),
    "from systemd": ("", {"STATE_DIRECTORY": "/a:/b"}, "/a"),
    "overridden": ("state_dir: /srv/x", {"ZROKD_STATE_DIR": "/srv/y"}, "/srv/y"),
}


@pytest.mark.parametrize("case", STATE)
def test_the_state_folder_is_where_the_file_says(case: str, load: Load, tmp_path: Path) -> None:
    line, environ, expected = STATE[case]
    configuration = load(f"version: 1\n{line}\nroles: {{backend: }}\n", environ=environ)
    assert str(configuration.state_dir).replace(str(tmp_path), "DIR") == expected


def test_a_wave_is_the_home(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert load("version: 1\nstate_dir: ~/x\nroles: {backend: }\n").state_dir == Path("/home/ann/x")


@pytest.mark.parametrize(("uid", "expected"), [(0, "/var/lib/zrokd"), (1000, "/home/ann/.local/state/zrokd")])
def test_without_a_word_state_goes_where_the_user_may_write(
    uid: int, expected: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    environ = {"HOME": "/home/ann"}
    assert load("version: 1\nroles: {backend: }\n", environ=environ).state_dir == Path(expected)


def test_secrets_are_made_by_a_run_and_not_by_a_check(load: Load, tmp_path: Path) -> None:
    text = "version: 1\nstate_dir: state\nroles: {backend: {token: !secret t}, frontend: {token: !secret t}}\n"
    checked: Any = load(text).roles
    assert checked["backend"].settings.token == checked["frontend"].settings.token
    assert not (tmp_path / "state").exists()
    made: Any = load(text, create_secrets=True).roles
    assert made["backend"].settings.token == made["frontend"].settings.token
    assert (tmp_path / "state/secrets/t").read_text().strip() == made["backend"].settings.token.reveal()
    again: Any = load(text).roles
    assert again["backend"].settings.token == made["backend"].settings.token


def test_a_wrong_state_folder_is_told_once(mistakes: Mistakes) -> None:
    found = mistakes("version: 1\nstate_dir: !env NOWHERE\nroles: {backend: {token: !secret t}}\n")
    assert [(problem.path, problem.line) for problem in found] == [("state_dir", 2), ("roles.backend.token", 3)]


def test_folders_of_plugins_are_known_before_their_plugins_are_looked_up(
    load: Load, registry: Any, tmp_path: Path
) -> None:
    (tmp_path / "plugins").mkdir()
    configuration = load("version: 1\nplugin_path: [plugins]\nroles: {backend: }\n")
    assert configuration.plugin_path == (tmp_path / "plugins",)
    assert registry.folders == [tmp_path / "plugins"]


def test_a_folder_of_plugins_that_cannot_be_used_is_a_mistake_at_its_place(mistakes: Mistakes, tmp_path: Path) -> None:
    (problem,) = mistakes("version: 1\nplugin_path:\n  - /nowhere\nroles: {backend: }\n")
    assert (problem.line, problem.path) == (3, "plugin_path[0]")
    assert problem.message == "/nowhere is not a folder"


def test_a_look_up_that_knows_no_folders_is_fine(load: Load, registry: Any, tmp_path: Path) -> None:
    file = tmp_path / "zrokd.yml"
    file.write_text("version: 1\nplugin_path: [x]\nroles: {backend: }\n")
    configuration = load_file(file, registry=lambda slot, name: registry(slot, name), environ={})
    assert configuration.plugin_path == (tmp_path / "x",)


def test_parts_beside_the_file_count(load: Load, mistakes: Mistakes, tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    part = tmp_path / "conf.d/50-log.yml"
    part.write_text("log: {level: debug}\nroles: {frontend: }\n")
    configuration = load("version: 1\nroles: {backend: }\n")
    assert (configuration.log.level, list(configuration.roles)) == ("debug", ["backend", "frontend"])
    assert configuration.files == (tmp_path / "zrokd.yml", part)
    part.write_text("log: {level: loud}\nroles: {backend: {}, frontned: {}}\n")
    found = mistakes("version: 1\nroles: {backend: {}}\n")
    assert [(problem.file, problem.path) for problem in found] == [
        (str(part), "log.level"),
        (str(part), "roles.frontned"),
    ]


def test_all_mistakes_are_raised_at_once_in_the_order_of_the_file(mistakes: Mistakes) -> None:
    found = mistakes("version: 1\nzzz: 1\nlog: {level: x}\ndrain: y\nroles: {backend: {zzz: 1}, frontned: }\naaa: 1\n")
    assert [problem.line for problem in found] == [2, 3, 4, 5, 5, 6]


def test_thousands_of_mistakes_end_somewhere(mistakes: Mistakes) -> None:
    text = "version: 1\nroles:\n  backend: {}\n" + "".join(f"k{number}: 1\nk{number}: 2\n" for number in range(300))
    found = mistakes(text)
    assert len(found) == 201
    assert found[-1].message == "and 200 more mistakes"


def test_the_error_names_every_mistake_in_one_line_each(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load("version: 1\ndrain: soon\nroles: {controler: }\n")
    file = tmp_path / "zrokd.yml"
    assert str(caught.value) == (
        f"{file}:2:8: drain: 'soon' is not a duration; write it like 250ms, 30s, 5m or 1h30m; "
        f"{file}:3:9: roles.controler: no role plugin is named 'controler'; did you mean 'controller'?"
    )


def test_secrets_are_in_no_text_of_a_configuration(load: Load) -> None:
    configuration = load("version: 1\nroles: {backend: {token: s3cret}, frontend: {token: s3cret}}\n")
    assert "s3cret" not in repr(configuration) + str(configuration) + repr(configuration.roles)


def tree(**roles: Any) -> dict[str, Any]:
    return {"version": 1, "roles": roles}


def test_a_tree_in_memory_is_as_good_as_a_file(registry: Any) -> None:
    data = tree(frontend={"listen": Address(port=80, host="::1"), "controller": "http://x", "token": Secret("s3cret")})
    configuration = from_tree(data, registry=registry, environ={"HOME": "/home/ann"})
    settings: Any = configuration.roles["frontend"].settings
    assert (settings.listen.port, settings.token.reveal()) == (80, "s3cret")
    assert configuration.secrets == {Secret("s3cret")}
    assert (configuration.files, configuration.warnings) == ((), ())


def test_texts_in_memory_are_taken_as_they_are_and_variables_do_not_count(registry: Any) -> None:
    environ = {"HOME": "/home/ann", "ZROKD_LOG__LEVEL": "debug", "X": "1"}
    configuration = from_tree(tree(backend={"description": "$$ ${X}"}), registry=registry, environ=environ)
    settings: Any = configuration.roles["backend"].settings
    assert (settings.description, configuration.log.level) == ("$$ ${X}", "info")


def test_a_tree_in_memory_is_not_changed(registry: Any) -> None:
    data = tree(backend={"shares": [{"target": 3000}]})
    from_tree(data, registry=registry, environ={})
    assert data == tree(backend={"shares": [{"target": 3000}]})


def test_mistakes_in_memory_have_paths_only(registry: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        from_tree(tree(backend={"shares": [{"targte": 3000}]}), registry=registry, environ={})
    assert str(caught.value) == ("roles.backend.shares[0].targte: unknown key 'targte'; did you mean 'target'?")


def test_a_plugin_file_that_is_broken_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text("def broken(:\n")
    gates = "{ours: {use: mine}}"
    file = tmp_path / "zrokd.yml"
    file.write_text(f"version: 1\nplugin_path: [plugins]\nroles: {{frontend: {{listen: 0, gates: {gates}}}}}\n")
    with pytest.raises(ConfigError) as caught:
        load_file(file, registry=Registry(), environ={"HOME": str(tmp_path)})
    told = [problem.message for problem in caught.value.problems if "mine" in problem.message]
    assert len(told) == 1
    assert "mine.py cannot be imported: SyntaxError" in told[0]
