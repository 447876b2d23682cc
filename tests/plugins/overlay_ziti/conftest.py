"""A program that stands in for `ziti` where only the way it is run matters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from zrokd_plugins.overlay_ziti.program import Program


@pytest.fixture
def fake_program(tmp_path: Path) -> Callable[[str], Program]:
    """fake_program(code): a Program whose `ziti` is this Python, run with the arguments of each call."""

    def make(code: str) -> Program:
        path = tmp_path / "ziti"
        path.write_text(f"#!{sys.executable} -IS\nimport os, sys, time\narguments = sys.argv[1:]\n{code}\n")
        path.chmod(0o755)
        return Program(path, tmp_path)

    return make
