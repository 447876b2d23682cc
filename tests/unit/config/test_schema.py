from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from zrokd.config.kinds import models_in
from zrokd.config.schema import TopLevel, default_state_dir


def test_every_key_of_the_top_level_is_described() -> None:
    undescribed = [f"{where}.{name}" for where, model in _models() for name in _undescribed(model)]
    assert undescribed == []


def _models() -> list[tuple[str, type[BaseModel]]]:
    inner = [pair for name, field in TopLevel.model_fields.items() for pair in models_in(field.annotation, name)]
    return [("top", TopLevel), *inner]


def _undescribed(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if not field.description]


PLACES: list[tuple[int, dict[str, str], str]] = [
    (0, {}, "/var/lib/zrokd"),
    (0, {"HOME": "/root"}, "/var/lib/zrokd"),
    (0, {"STATE_DIRECTORY": "/var/lib/zrokd/x"}, "/var/lib/zrokd/x"),
    (7, {"HOME": "/home/ann"}, "/home/ann/.local/state/zrokd"),
    (7, {"HOME": "/home/ann", "STATE_DIRECTORY": "/a:/b"}, "/a"),
    (7, {"HOME": "/home/ann", "STATE_DIRECTORY": ""}, "/home/ann/.local/state/zrokd"),
]


@pytest.mark.parametrize(("uid", "environ", "expected"), PLACES)
def test_state_has_a_place_even_when_nobody_says_where(
    uid: int, environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert default_state_dir(environ) == Path(expected)


def test_who_has_no_home_in_the_environment_has_one_in_the_user_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 7)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/bob"))
    assert default_state_dir({}) == Path("/home/bob/.local/state/zrokd")
