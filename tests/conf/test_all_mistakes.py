"""Every mistake of one file at once, with the plugins that are really there: none waits until another is mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from zrokd.config.load import load
from zrokd.errors import ConfigError, Problem
from zrokd.host.registry import Registry

TEXT = """\
version: 1
health: {listen: 127.0.0.1:18080}
roles:
  controller:
    listen: 127.0.0.1:18080
    tls: 5
    frontends: {main: {token: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}}
    namespaces: {public: {zone: localhost, frontends: [mian]}}
  frontend:
    listen: 127.0.0.1:18080
    controller: htp:/nowhere
    gates: {basic: 5}
  backend:
    ephemral: true
    shares:
      - {name: aaa, target: "http://127.0.0.1:x", gate: basic}
      - {name: bbb, mode: prxy, target: 5}
"""
EXPECTED = [
    (5, "roles.controller.listen", "127.0.0.1:18080 is taken by health.listen; choose another port"),
    (6, "roles.controller.tls", "5 is not a map of keys"),
    (8, "roles.controller.namespaces.public.frontends[0]", "no frontend is called 'mian'"),
    (10, "roles.frontend.listen", "127.0.0.1:18080 is taken by health.listen; choose another port"),
    (10, "roles.frontend.listen", "127.0.0.1:18080 is taken by roles.controller.listen; choose another port"),
    (11, "roles.frontend.controller", "'htp:/nowhere' is not a URL; write it like https://zrokd.example.com:18080"),
    (12, "roles.frontend.gates.basic", "5 is not a map of keys"),
    (14, "roles.backend", "give `environment` (a folder that `zrokd enable` made) or `token` (of an account)"),
    (14, "roles.backend.ephemral", "unknown key 'ephemral'"),
    (16, "roles.backend.shares[0].gate", "the gate `basic` asks for the users in `basic_auth`, and there are none"),
    (16, "roles.backend.shares[0].target", "'http://127.0.0.1:x': a port is a number up to 65535"),
    (17, "roles.backend.shares[1].mode", "no mode plugin is named 'prxy'"),
]

HEAD = "version: 1\nroles:\n"
FRONTEND = HEAD + "  frontend: {controller: http://127.0.0.1:18080, token: !secret frontend, "
SHARES = HEAD + "  backend: {controller: http://127.0.0.1:18080, token: !secret account, shares: ["
CONTROLLER = HEAD + "  controller: {listen: 127.0.0.1:18080, "
LONE = {  # files in each of which these alone are wrong
    "tokens of frontends": (
        CONTROLLER + "frontends: {a: {token: !env NO1}, b: {token: !env NO2}}}",
        ["roles.controller.frontends.a.token", "roles.controller.frontends.b.token"],
    ),
    "tokens of accounts": (
        CONTROLLER + "accounts: [{email: a@b.example, token: !cred x}, {email: c@b.example, token: !cred y}]}",
        ["roles.controller.accounts[0].token", "roles.controller.accounts[1].token"],
    ),
    "an unknown tag": (FRONTEND + "listen: !envv PORT}", ["roles.frontend.listen"]),
    "a tag that does not fit": (FRONTEND + "listen: !!int abc}", ["roles.frontend.listen"]),
    "a misspelt listen": (FRONTEND + "lissten: 127.0.0.1:8080}", ["roles.frontend.lissten"]),
    "a misspelt token": (
        HEAD + "  frontend: {controller: http://127.0.0.1:18080, listen: 127.0.0.1:8080, tokn: abc}",
        ["roles.frontend.tokn"],
    ),
    "a misspelt environment": (HEAD + "  backend: {enviroment: /var/lib/me}", ["roles.backend.enviroment"]),
    "a misspelt key beside a mode's": (
        SHARES + "{mode: tcp, target: 127.0.0.1:22, privte: true}]}",
        ["roles.backend.shares[0].privte"],
    ),
    "a misspelt key that must stand": (SHARES + "{mode: web, targt: /srv}]}", ["roles.backend.shares[0].targt"]),
    "a mode that leads nowhere": (SHARES + "{mode: !env NO1, target: /srv}]}", ["roles.backend.shares[0].mode"]),
    "a role that leads nowhere": (HEAD + "  frontend: !env NO1", ["roles.frontend"]),
    "roles misspelt": ("version: 1\nrolse: {frontend: {}}", ["rolse"]),
    "a private share with a name and a wrong gate": (
        SHARES + "{private: true, name: abc, gate: 5, target: 3000}]}",
        ["roles.backend.shares[0].name", "roles.backend.shares[0].gate"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), LONE.values(), ids=LONE)
def test_no_mistake_is_named_that_vanishes_with_another(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert [problem.path for problem in mistakes(tmp_path, text)] == expected


def test_a_part_that_cannot_be_read_hides_no_mistake_of_the_main_file(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/a.yml").write_text("auth: [{use: secret, secrets: !bad x}]\n")
    found = mistakes(tmp_path, CONTROLLER + "}\nauth: [{use: secret, secrets: 5}]\n")
    assert [(Path(problem.file).name, problem.path) for problem in found] == [
        ("a.yml", "auth[0].secrets"),
        ("zrokd.yml", "auth[0].secrets"),
    ]


def test_every_mistake_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    told = [(problem.line, problem.path, problem.message) for problem in mistakes(tmp_path, TEXT)]
    assert sorted(told) == EXPECTED


PLUGIN = """\
import sys
from pydantic import field_validator
from zrokd import hookimpl
from zrokd.contracts import Gate, Settings, rule


def fail():
    {fail}


class FaultySettings(Settings):
    word: str = ""

    @field_validator("word")
    @classmethod
    def _word(cls, value):
        return fail() if value == "validator" else value

    @rule
    def _rule(self):
        return fail() if self.word == "rule" else ()

    def misfit(self):
        return fail() if self.word == "misfit" else ()

    def caution(self):
        return fail() if self.word == "caution" else ()


class Faulty(Gate):
    name = "faulty"
    Settings = FaultySettings

    def check(self, head, route):
        return None


@hookimpl
def zrokd_provide_gates():
    return [Faulty]
"""
FAILS = {"KeyError": "raise KeyError('s3cret')", "SystemExit": "sys.exit()", "AttributeError": "fail.nothing"}


@pytest.mark.parametrize("place", ["validator", "rule", "misfit", "caution"])
@pytest.mark.parametrize("kind", FAILS)
def test_settings_of_a_plugin_that_fail_are_a_mistake_that_names_it(tmp_path: Path, kind: str, place: str) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/mine.py").write_text(PLUGIN.format(fail=FAILS[kind]))
    text = FRONTEND + f"listen: 127.0.0.1:8080, gates: {{faulty: {{word: {place}}}}}}}\nplugin_path: [plugins]\n"
    [problem] = mistakes(tmp_path, text)
    assert (problem.line, problem.path) == (3, "roles.frontend.gates.faulty")
    assert problem.message == (
        f"the settings of gate.faulty of {tmp_path}/plugins/mine.py cannot be checked: {kind} in line 8 of mine.py; "
        "mend the plugin"
    )


def mistakes(folder: Path, text: str) -> tuple[Problem, ...]:
    (folder / "zrokd.yml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(folder / "zrokd.yml", registry=Registry(), environ={"HOME": str(folder)})
    return caught.value.problems
