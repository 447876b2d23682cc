from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from zrokd.config.load import Configuration
from zrokd.config.overrides import apply
from zrokd.config.parse import parse
from zrokd.config.tree import Reference, Tree
from zrokd.errors import Problem

FILE = "version: 1\nlog: {level: info}\nauth: [{use: token}]\nroles:\n  frontend: {workers: 2}\n"


def laid_over(environ: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None) -> Tree:
    tree = parse(FILE.encode(), "f.yml")
    apply(tree, environ or {}, flags or {})
    return tree


def test_a_flag_beats_a_variable_which_beats_the_file(load: Callable[..., Configuration]) -> None:
    assert load(FILE).log.level == "info"
    environ = {"ZROKD_LOG__LEVEL": "warning"}
    assert load(FILE, environ=environ).log.level == "warning"
    assert load(FILE, environ=environ, overrides={"log.level": "error"}).log.level == "error"
    assert load("version: 1\nroles: {controller: }").log.level == "info"


SET: dict[str, tuple[tuple[str | int, ...], Any]] = {
    "ZROKD_LOG__LEVEL=debug": (("log", "level"), "debug"),
    "ZROKD_DRAIN=5s": (("drain",), "5s"),
    "ZROKD_STATE_DIR=/x": (("state_dir",), "/x"),
    "ZROKD_ROLES__FRONTEND__LISTEN=[::1]:80": (("roles", "frontend", "listen"), "[::1]:80"),
    "ZROKD_ROLES__FRONTEND__LABELS={a: b}": (("roles", "frontend", "labels"), {"a": "b"}),
    "ZROKD_ROLES__BACKEND__TOKEN=!file /x": (("roles", "backend", "token"), Reference("file", "/x")),
    "ZROKD_ROLES__BACKEND__TOKEN='quoted'": (("roles", "backend", "token"), "quoted"),
    "ZROKD_ROLES__BACKEND__TOKEN=a # b: c": (("roles", "backend", "token"), "a # b: c"),
    "ZROKD_ROLES__BACKEND__TOKEN=": (("roles", "backend", "token"), ""),
    "ZROKD_ROLES__BACKEND__TOKEN=pa$$w${ORD}": (("roles", "backend", "token"), "pa$$$$w$${ORD}"),
    "ZROKD_ROLES__BACKEND__TOKEN=[s3cret": (("roles", "backend", "token"), "[s3cret"),
    "ZROKD_ROLES__BACKEND__TOKEN=!secret one": (("roles", "backend", "token"), Reference("secret", "one")),
    "ZROKD_ROLES__BACKEND__TOKEN=!se{cret": (("roles", "backend", "token"), "!se{cret"),
    "ZROKD_AUTH__0__USE=secret": (("auth", 0, "use"), "secret"),
    "ZROKD_AUTH=[token, {use: secret}]": (("auth",), ["token", {"use": "secret"}]),
    "ZROKD_ROLES__FRONTEND__LABELS__0=x": (("roles", "frontend", "labels", "0"), "x"),
}


@pytest.mark.parametrize("text", SET)
def test_a_variable_sets_the_key_it_names(text: str) -> None:
    name, _, value = text.partition("=")
    path, expected = SET[text]
    tree = laid_over({name: value})
    found: Any = tree.data
    for part in path:
        found = found[part]
    assert found == expected
    assert tree.problems == []
    mark = tree.mark(path)
    assert mark is not None
    assert (mark.file, mark.line) == (f"${name}", 0)


NOT_OURS = ["ZROKD_HOME", "ZROKD_DEMO_DIR", "ZROKD_VERSION", "ZROKD_", "ZROKD", "zrokd_log__level", "OTHER__LOG", "X"]


@pytest.mark.parametrize("name", NOT_OURS)
def test_other_variables_are_left_alone(name: str) -> None:
    assert laid_over({name: "x"}) == parse(FILE.encode(), "f.yml")


@pytest.mark.parametrize(
    ("key", "path"),
    [("log.level", ("log", "level")), ("auth.0.use", ("auth", 0, "use")), ("auth[0].use", ("auth", 0, "use"))],
)
def test_a_flag_sets_the_key_it_names(key: str, path: tuple[str | int, ...]) -> None:
    tree = laid_over(flags={key: "secret"})
    found: Any = tree.data
    for part in path:
        found = found[part]
    assert found == "secret"
    mark = tree.mark(path)
    assert mark is not None
    assert mark.file == f"--set {key}"


NOWHERE = ["auth.1.use", "auth.first", "auth.-1", "log..level", "", "log.level.deeper", "version.x", "auth.²"]


@pytest.mark.parametrize("key", NOWHERE)
def test_a_flag_that_leads_nowhere_says_so(key: str) -> None:
    (problem,) = laid_over(flags={key: "x"}).problems
    assert (problem.message, problem.file) == ("there is no such place in the configuration", f"--set {key}")


TYPED = {"roles.frontend.workers": ("8", 8), "roles.frontend.strict": ("no", False), "roles.frontend.key": ("7", "7")}


@pytest.mark.parametrize("key", TYPED)
def test_a_text_is_read_as_what_its_key_wants(key: str, load: Callable[..., Configuration]) -> None:
    text, expected = TYPED[key]
    settings = load(FILE, overrides={key: text}).roles["frontend"].settings
    assert getattr(settings, key.rpartition(".")[2]) == expected


def test_a_number_may_be_a_secret_when_it_comes_from_outside(load: Callable[..., Configuration]) -> None:
    settings: Any = load(FILE, environ={"ZROKD_ROLES__FRONTEND__TOKEN": "0123"}).roles["frontend"].settings
    assert settings.token.reveal() == "0123"


def test_nothing_may_be_said_where_nothing_may_stand(load: Callable[..., Configuration]) -> None:
    settings: Any = load(FILE, overrides={"roles.frontend.workers": "null"}).roles["frontend"].settings
    assert settings.workers is None


WRONG = {
    "$ZROKD_LOG__LEVEL": "log.level: 'loud' is not one of 'debug', 'info', 'warning' or 'error'",
    "$ZROKD_LOG__LEVLE": "log.levle: unknown key 'levle'",
    "$ZROKD_ROLES__FRONTEND__WORKERS": "roles.frontend.workers: 'loud' is not a whole number",
    "$ZROKD_DRAIN": "drain: 'loud' is not a duration; write it like 250ms, 30s, 5m or 1h30m",
    "--set log.level": "log.level: 'loud' is not one of 'debug', 'info', 'warning' or 'error'",
    "--set nowhere.at.all": "nowhere: unknown key 'nowhere'",
    "--set roles.frontend.limits.body": "roles.frontend.limits.body: 'loud' is not a size; write it like 64KiB, 10MiB "
    "or 1GB",
}


@pytest.mark.parametrize("source", WRONG)
def test_a_mistake_names_the_variable_or_flag(source: str, mistakes: Callable[..., tuple[Problem, ...]]) -> None:
    environ = {source[1:]: "loud"} if source.startswith("$") else {}
    flags = {} if environ else {source.removeprefix("--set "): "loud"}
    (problem,) = mistakes(FILE, environ=environ, overrides=flags)
    assert (problem.file, f"{problem.path}: {problem.message}") == (source, WRONG[source])
    assert problem.line == 0


def test_what_is_overridden_needs_not_be_right_in_the_file(load: Callable[..., Configuration]) -> None:
    text = "version: 1\nlog: {level: loud}\nstate_dir: !env NOWHERE\nroles: {frontend: {workers: {a: b}}}\n"
    flags = {"log.level": "debug", "state_dir": "/x", "roles.frontend.workers": "3"}
    configuration = load(text, overrides=flags)
    assert (configuration.log.level, str(configuration.state_dir)) == ("debug", "/x")


def test_a_list_in_a_variable_names_the_variable_for_each_item(mistakes: Callable[..., tuple[Problem, ...]]) -> None:
    (problem,) = mistakes(FILE, environ={"ZROKD_AUTH": "[token, {use: tokne}]"})
    assert (problem.file, problem.path) == ("$ZROKD_AUTH", "auth[1].use")
