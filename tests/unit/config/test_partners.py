"""Roles of one file that do not know each other: warned of, each at its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zrokd.config.load import load
from zrokd.host.registry import Registry

TEXT = """\
version: 1
state_dir: state
roles:
  controller:
    listen: {listen}
    frontends: {{public: {{token: !secret frontend}}}}
    namespaces: {namespaces}
    accounts: [{{email: ann@example.com, token: !secret ann}}]
  frontend:
    listen: 127.0.0.1:8080
    controller: {url}
    token: {frontend}
  backend:
    controller: {url}
    token: {account}
    shares:
      - {{mode: hello, name: app, namespace: {namespace}}}
      - {{mode: hello, private: true, namespace: nowhere}}
"""
RIGHT = {
    "listen": "127.0.0.1:18080",
    "namespaces": "{public: {zone: localhost, frontends: [public]}}",
    "url": "http://127.0.0.1:18080",
    "frontend": "!secret frontend",
    "account": "!secret ann",
    "namespace": "public",
}


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., list[str]]:
    """told(key=value): the warnings of the file with this in it."""

    def call(**changes: str) -> list[str]:
        file = tmp_path / "first.yml"
        file.write_text(TEXT.format(**RIGHT | changes))
        file.chmod(0o600)
        found = load(file, registry=Registry(), environ={}).warnings
        return [f"{each.line}: {each.path}: {each.message}; {each.hint}" for each in found]

    return call


KNOWN = {
    "nothing": {},
    "a controller elsewhere": {"url": "https://zrokd.example.com", "frontend": "another-token"},
    "another loopback": {"listen": "0.0.0.0:18080", "url": "http://localhost:18080"},
    "a socket, behind a proxy": {"listen": "unix:/run/zrokd.sock", "url": "https://localhost", "namespace": "pubic"},
    "the token of an account that is made elsewhere": {"account": "a-token-from-elsewhere"},
    "namespaces that are made elsewhere": {"namespaces": "{}", "namespace": "team"},
}


@pytest.mark.parametrize("changes", KNOWN.values(), ids=KNOWN)
def test_what_may_be_known_is_not_warned_of(told: Callable[..., list[str]], changes: dict[str, str]) -> None:
    assert told(**changes) == []


ELSEWHERE = "the controller of this file listens on 127.0.0.1:18080, and not there; write http://127.0.0.1:18080"
NO_SPACE = "no namespace in this file is called 'pubic'; without one the share is refused; did you mean 'public'?"
UNKNOWN = {
    "the visitors' port": (
        {"url": "http://127.0.0.1:8080"},
        [f"11: roles.frontend.controller: {ELSEWHERE}", f"14: roles.backend.controller: {ELSEWHERE}"],
    ),
    "a frontend's token": (
        {"frontend": "!secret fronted"},
        ["12: roles.frontend.token: no frontend that the controller of this file knows has this token; "],
    ),
    "an account's token": (
        {"account": "!secret anne"},
        ["15: roles.backend.token: no account of this file has this token, and it was made here; "],
    ),
    "a namespace": (
        {"namespace": "pubic"},
        ["17: roles.backend.shares[0].namespace: " + NO_SPACE],
    ),
}


@pytest.mark.parametrize(("changes", "warnings"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_the_controller_beside_does_not_know_is(
    told: Callable[..., list[str]], changes: dict[str, str], warnings: list[str]
) -> None:
    assert told(**changes) == warnings
