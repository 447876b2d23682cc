from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import issue
from zrokd.config.load import Lookup
from zrokd.config.load import load as load_file
from zrokd.errors import ConfigError
from zrokd.host.registry import Registry

FILE = """\
version: 1
health: {{listen: "{health}"}}
roles:
  frontend: {{listen: "{frontend}", controller: "http://x", accesses: [{{share: abc, listen: "{access}"}}]}}
"""


@pytest.fixture
def problems(tmp_path: Path, registry: Lookup) -> Callable[..., list[str]]:
    def call(**listen: str) -> list[str]:
        given = {"health": "127.0.0.1:1", "frontend": "127.0.0.1:2", "access": "127.0.0.1:3"} | listen
        file = tmp_path / "zrokd.yml"
        file.write_text(FILE.format(**given))
        try:
            load_file(file, registry=registry, environ={})
        except ConfigError as error:
            return [f"{problem.path}: {problem.message}" for problem in error.problems]
        return []

    return call


@pytest.mark.parametrize(
    "listen",
    [
        {},
        {"frontend": "127.0.0.2:1"},
        {"frontend": "127.0.0.1:0", "access": "127.0.0.1:0"},
        {"frontend": "unix:/a", "access": "unix:/b"},
    ],
)
def test_addresses_that_differ_are_fine(problems: Callable[..., list[str]], listen: dict[str, str]) -> None:
    assert problems(**listen) == []


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        (
            {"frontend": "127.0.0.1:1"},
            "roles.frontend.listen: 127.0.0.1:1 is taken by health.listen; choose another port",
        ),
        ({"frontend": "0.0.0.0:1"}, "roles.frontend.listen: 0.0.0.0:1 is taken by health.listen; choose another port"),
        (
            {"frontend": "unix:/a", "access": "unix:/a"},
            "roles.frontend.accesses[0].listen: unix:/a is taken by roles.frontend.listen; choose another port",
        ),
    ],
)
def test_an_address_is_one_listeners(problems: Callable[..., list[str]], listen: dict[str, str], message: str) -> None:
    assert problems(**listen) == [message]


GATES = """\
version: 1
roles:
  public: {{use: frontend, listen: "127.0.0.1:0", controller: "http://x", token: a-frontend, gates: {{office: basic}} }}
  backend: {{controller: "http://x", token: sesame-sesame, shares: [{{target: "http://x", gate: "{gate}"}}]}}
"""
NO_GATE = "no frontend in this file has a gate 'offce'; where none has it, visitors get 503; did you mean 'office'?"


@pytest.mark.parametrize(
    ("gate", "warning"),
    [
        ("office", ""),
        ("", ""),
        ("offce", f"roles.backend.shares[0].gate:4: {NO_GATE}"),
    ],
)
def test_a_gate_that_no_frontend_here_has_is_warned_of(tmp_path: Path, gate: str, warning: str) -> None:
    file = tmp_path / "zrokd.yml"
    file.write_text(GATES.format(gate=gate))
    found = load_file(file, registry=Registry(), environ={}).warnings
    told = [f"{each.path}:{each.line}: {each.message}; {each.hint}" for each in found if "gate" in each.message]
    assert told == ([warning] if warning else [])


def test_where_no_frontend_is_in_the_file_nothing_is_said_of_gates(tmp_path: Path) -> None:
    file = tmp_path / "zrokd.yml"
    file.write_text("\n".join(line for line in GATES.format(gate="x").splitlines() if "public" not in line))
    assert not [each for each in load_file(file, registry=Registry(), environ={}).warnings if "gate" in each.message]


NAMESPACES = """\
version: 1
roles:
  controller:
    namespaces:
      public: {{zone: a.example.com, {url}}}
  public: {{use: frontend, listen: "127.0.0.1:0", controller: "http://x", token: a-frontend, {tls}}}
"""


@pytest.fixture
def plain_urls(tmp_path: Path) -> Callable[..., list[str]]:
    """plain_urls(url, tls): places and hints of the warnings about URLs."""
    made = issue("a.example.com")
    (tmp_path / "chain").write_text(made.chain)
    (tmp_path / "key").write_text(made.key)

    def call(url: str, *, tls: bool) -> list[str]:
        certificates = "tls: {certificates: [{chain: !file chain, key: !file key}]}" if tls else "gates: {}"
        file = tmp_path / "zrokd.yml"
        file.write_text(NAMESPACES.format(url=url, tls=certificates))
        found = load_file(file, registry=Registry(), environ={}).warnings
        return [f"{each.path} {each.hint}" for each in found if "URLs without TLS" in each.message]

    return call


def test_a_namespace_without_tls_beside_a_frontend_with_it_is_warned_of(plain_urls: Callable[..., list[str]]) -> None:
    place = "roles.controller.namespaces.public.url"
    assert plain_urls('url: "http://{host}:81"', tls=True) == [f"{place} write https://{{host}}:81"]
    assert plain_urls("open: true", tls=True) == [f"{place} write https://{{host}}"]


def test_other_namespaces_are_not(plain_urls: Callable[..., list[str]]) -> None:
    assert plain_urls('url: "https://{host}"', tls=True) == []
    assert plain_urls('url: "http://{host}"', tls=False) == []
