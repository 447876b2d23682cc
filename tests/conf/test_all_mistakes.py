"""Every mistake of one file at once, with the plugins that are really there: none waits until another is mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from zrokd.config.load import load
from zrokd.errors import ConfigError
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


def test_every_mistake_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "zrokd.yml"
    file.write_text(TEXT)
    with pytest.raises(ConfigError) as caught:
        load(file, registry=Registry(), environ={"HOME": str(tmp_path)})
    told = [(problem.line, problem.path, problem.message) for problem in caught.value.problems]
    assert sorted(told) == EXPECTED
