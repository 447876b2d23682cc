from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zrokd.config.exposure import _is_exposed, secrets_in, warnings_for
from zrokd.config.load import Configuration, Lookup
from zrokd.config.load import load as load_file
from zrokd.config.tree import Tree
from zrokd.model.units import Secret

TEXT = """\
version: 1
auth:
  - {use: secret, secrets: [first, second]}
roles:
  frontend: {token: third, gates: {basic: {users: [{username: ann, hash: fourth}]}}}
  backend: {token: !file token, shares: [{target: 3000, users: ["ann:fifth"]}]}
"""


@pytest.fixture
def configure(tmp_path: Path, registry: Lookup) -> Callable[..., Configuration]:
    def call(*, mode: int = 0o600, token_mode: int = 0o600, text: str = TEXT) -> Configuration:
        file, token = tmp_path / "zrokd.yml", tmp_path / "token"
        file.write_text(text)
        token.write_text("sixth\n")
        file.chmod(mode)
        token.chmod(token_mode)
        return load_file(file, registry=registry, environ={})

    return call


def test_every_secret_is_known_wherever_it_stands(configure: Callable[..., Configuration]) -> None:
    revealed = {secret.reveal() for secret in configure().secrets}
    assert revealed == {"first", "second", "third", "fourth", "ann:fifth", "sixth"}


def test_what_is_referenced_but_no_secret_is_not_kept_from_logs(load: Callable[..., Configuration]) -> None:
    configuration = load(
        "version: 1\nstate_dir: !env DIR\nroles: {backend: {token: !env TOKEN, description: !env DIR}}\n",
        environ={"DIR": "/somewhere", "TOKEN": "s3cret"},
    )
    assert {secret.reveal() for secret in configuration.secrets} == {"s3cret"}


def test_an_empty_secret_would_hide_every_line_and_is_left_out(load: Callable[..., Configuration]) -> None:
    assert load("version: 1\nroles: {frontend: {}}\n").secrets == frozenset()


def test_secrets_have_their_paths() -> None:
    found = dict(secrets_in({"a": [{"b": Secret("x")}, (Secret("y"),)], "c": Secret("")}))
    assert found == {("a", 0, "b"): Secret("x"), ("a", 1, 0): Secret("y")}


def told(configuration: Configuration) -> list[tuple[str, str, str]]:
    return [(Path(w.file).name, w.path, w.message) for w in configuration.warnings]


def test_files_that_are_ours_alone_give_no_warning(configure: Callable[..., Configuration]) -> None:
    assert told(configure()) == []


def test_a_readable_file_with_secrets_in_it_is_one_warning_at_the_first_of_them(
    configure: Callable[..., Configuration],
) -> None:
    (warning,) = configure(mode=0o644).warnings
    assert (warning.path, warning.line, warning.column) == ("auth[0].secrets[0]", 3, 29)
    assert warning.message == "a secret stands in a file that can be read by others"
    assert warning.hint == f"run chmod 600 {warning.file}, or write !file, !cred or !secret"


def test_a_readable_secret_file_is_a_warning_where_it_is_named(
    configure: Callable[..., Configuration], tmp_path: Path
) -> None:
    (warning,) = configure(token_mode=0o604).warnings
    assert (warning.path, warning.line) == ("roles.backend.token", 6)
    assert warning.message == f"{tmp_path / 'token'} holds a secret and can be read by others"
    assert "sixth" not in str(warning)


def test_a_readable_file_without_secrets_is_none_of_our_business(configure: Callable[..., Configuration]) -> None:
    text = "version: 1\nroles: {backend: {token: !file token, description: !file ./token}}\n"
    assert told(configure(mode=0o644, text=text)) == []
    harmless = "version: 1\nroles: {backend: {description: !file token}}\n"
    assert told(configure(mode=0o644, token_mode=0o644, text=harmless)) == []


def test_secrets_of_variables_and_flags_stand_in_no_file(load: Callable[..., Configuration], tmp_path: Path) -> None:
    text = "version: 1\nroles: {backend: {token: !env TOKEN}, frontend: {}}\n"
    environ = {"TOKEN": "x" * 8, "ZROKD_ROLES__FRONTEND__TOKEN": "y" * 8}
    configuration = load(text, environ=environ)
    assert len(configuration.secrets) == 2
    (tmp_path / "zrokd.yml").chmod(0o644)
    assert configuration.warnings == ()


MODES: list[tuple[int, int, bool]] = [
    (0o600, 0, False), (0o600, 1000, False), (0o640, 0, False), (0o640, 1000, True), (0o644, 0, True),
    (0o604, 1000, True), (0o400, 1000, False), (0o602, 0, False),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "owner", "exposed"), MODES)
def test_roots_files_may_belong_to_a_services_group(
    mode: int, owner: int, exposed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = os.stat_result((0o100000 | mode, 0, 0, 1, owner, 0, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda self: status)
    assert _is_exposed(Path("x")) is exposed


def test_a_file_that_is_gone_is_not_exposed(tmp_path: Path) -> None:
    assert not _is_exposed(tmp_path / "gone")


def test_a_secret_of_unknown_place_is_no_warning() -> None:
    anything: Any = [(("a",), Secret("x"))]
    assert list(warnings_for(Tree(), anything)) == []
