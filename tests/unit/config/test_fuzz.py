"""Whatever stands in the file: a configuration, or a list of mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zrokd.config.effective import effective
from zrokd.config.load import Configuration, Lookup, load
from zrokd.config.render import render_problems
from zrokd.errors import ConfigError

_ONCE = settings(
    max_examples=200, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
_WORDS = st.sampled_from(
    [
        "version",
        "log",
        "level",
        "drain",
        "roles",
        "controller",
        "frontend",
        "backend",
        "shares",
        "mode",
        "target",
        "use",
        "gates",
        "basic",
        "users",
        "filters",
        "auth",
        "token",
        "secret",
        "secrets",
        "1",
        "30s",
        "x",
        "${A}",
        "${A:-b}",
        "$$",
        "yes",
        "no",
        "~",
        "8080",
        "1.5",
        "state_dir",
        "plugin_path",
        "limits",
        "fields",
    ]
)
_SCALARS = _WORDS | st.integers() | st.booleans() | st.none() | st.floats() | st.text(max_size=5)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=5),
    max_leaves=25,
)
_FILES = st.fixed_dictionaries(
    {"version": st.just(1) | _SCALARS, "roles": _TREES},
    optional=dict.fromkeys(("log", "auth", "sinks", "state_dir", "plugin_path", "overlay", "health", "drain"), _TREES),
)
_GOOD_SHARES = st.one_of(
    st.fixed_dictionaries(
        {"target": st.integers(0, 65535)}, optional={"host_header": st.sampled_from(["keep", "target"])}
    ),
    st.fixed_dictionaries({"mode": st.just("web"), "target": st.text(min_size=1)}, optional={"listing": st.booleans()}),
    st.fixed_dictionaries({"mode": st.fixed_dictionaries({"use": st.just("web"), "target": st.text()})}),
)
_GOOD = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "roles": st.fixed_dictionaries(
            {},
            optional={
                "controller": st.none() | st.just({}),
                "backend": st.fixed_dictionaries(
                    {}, optional={"shares": st.lists(_GOOD_SHARES), "description": st.text(), "token": st.text()}
                ),
                "entrance": st.fixed_dictionaries(
                    {"use": st.just("frontend")},
                    optional={
                        "labels": st.dictionaries(st.text(min_size=1).filter(str.strip), st.text()),
                        "workers": st.none() | st.integers(-(2**40), 2**40),
                        "key": st.integers() | st.text(),
                        "filters": st.lists(st.just("forwarded"), max_size=2),
                        "limits": st.fixed_dictionaries(
                            {},
                            optional={
                                "idle": st.floats(0, 1e9) | st.just("1h30m"),
                                "body": st.sampled_from(["1KiB", 5, None]),
                                "ratio": st.floats(0, 0.99),
                            },
                        ),
                    },
                ),
            },
        ).filter(bool),
    },
    optional={"drain": st.integers(0, 99), "state_dir": st.text(min_size=1).filter(lambda text: "\0" not in text)},
)


def attempt(folder: Path, raw: bytes, registry: Lookup) -> Configuration | None:
    file = folder / "zrokd.yml"
    file.write_bytes(raw)
    try:
        return load(file, registry=registry, environ={"A": "1"})
    except ConfigError as error:
        assert error.problems
        assert render_problems(error.problems).count("\n") >= len(error.problems)
        return None


@_ONCE
@given(raw=st.binary(max_size=400))
def test_any_bytes_give_a_configuration_or_mistakes(raw: bytes, tmp_path: Path, registry: Lookup) -> None:
    attempt(tmp_path, raw, registry)


@pytest.mark.slow
@_ONCE
@given(tree=_FILES)
def test_any_tree_gives_a_configuration_or_mistakes(tree: dict[str, Any], tmp_path: Path, registry: Lookup) -> None:
    attempt(tmp_path, dump(tree), registry)


@_ONCE
@given(name=st.text(max_size=20), value=st.text(max_size=40), flag=st.text(max_size=20))
@pytest.mark.slow
def test_any_variable_and_flag_give_a_configuration_or_mistakes(
    name: str, value: str, flag: str, tmp_path: Path, registry: Lookup
) -> None:
    file = tmp_path / "zrokd.yml"
    file.write_text("version: 1\nroles: {controller: {}}\n")
    try:
        load(file, registry=registry, environ={f"ZROKD_{name}": value}, overrides={flag: value})
    except ConfigError as error:
        assert error.problems


@pytest.mark.slow
@_ONCE
@given(tree=_GOOD)
def test_what_is_in_force_loads_again_and_is_the_same(tree: dict[str, Any], tmp_path: Path, registry: Lookup) -> None:
    first = attempt(tmp_path, dump(escaped(tree)), registry)
    assert first is not None
    printed = effective(first)
    second = attempt(tmp_path, printed.encode("utf-8", "surrogatepass"), registry)
    assert second is not None
    assert effective(second) == printed
    assert second.state_dir == first.state_dir
    if not first.secrets:
        assert {name: plan.settings for name, plan in second.roles.items()} == {
            name: plan.settings for name, plan in first.roles.items()
        }


def dump(tree: Any) -> bytes:
    return yaml.safe_dump(tree, allow_unicode=False).encode()


def escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


@pytest.mark.parametrize("size", [1 << 20, 10 << 20])
def test_large_files_are_refused_in_one_sentence(size: int, tmp_path: Path, registry: Lookup) -> None:
    file = tmp_path / "zrokd.yml"
    file.write_bytes(b"version: 1 # " + b"x" * size)
    with pytest.raises(ConfigError, match=r"zrokd.yml: the file is larger than 1 MiB; this is no configuration$"):
        load(file, registry=registry)


_HUGE = ["9" * 400, "-" + "9" * 400, "0x" + "f" * 90, "9" * 400 + "s", "9" * 400 + "KiB", "1" * 90, "1.5e+308", ".inf"]
_PLACES = [
    "drain: {}", "state_dir: {}", "version: {}", "log: {{level: {}}}", "health: {{listen: {}}}",
    "roles: {{frontend: {{workers: {}, key: {}, strict: {}, listen: {}, labels: {{a: {}}}}}}}",
    "roles: {{frontend: {{limits: {{fields: {}, idle: {}, body: {}, step: {}, ratio: {}}}}}}}",
]  # fmt: skip


@pytest.mark.parametrize("number", _HUGE)
@pytest.mark.parametrize("line", _PLACES)
def test_numbers_beyond_all_bounds_give_a_configuration_or_mistakes(
    number: str, line: str, tmp_path: Path, registry: Lookup
) -> None:
    attempt(tmp_path, line.replace("{}", number).replace("{{", "{").replace("}}", "}").encode(), registry)
