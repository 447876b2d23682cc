"""What stands in for a network: a program, a controller."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from zrokd_plugins.overlay_ziti.authority import Authority
from zrokd_plugins.overlay_ziti.program import Program
from zrokd_plugins.overlay_ziti.settings import EdgeSettings

from tests.plugins.overlay_ziti.fake import FakeController
from tests.plugins.overlay_ziti.wire import Wire


@pytest.fixture
def fake_program(tmp_path: Path) -> Callable[[str], Program]:
    """fake_program(code): a Program whose `ziti` is this Python, run with the arguments of each call."""

    def make(code: str) -> Program:
        path = tmp_path / "ziti"
        path.write_text(f"#!{sys.executable} -IS\nimport os, sys, time\narguments = sys.argv[1:]\n{code}\n")
        path.chmod(0o755)
        return Program(path, tmp_path)

    return make


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[FakeController]:
    """A controller that is none, answering on loopback."""
    made = FakeController(Authority(tmp_path / "controller"))
    yield made
    made.close()


@pytest.fixture
def controllers(tmp_path: Path) -> Iterator[Callable[[], FakeController]]:
    """controllers(): one more of the same network; all are closed at the end."""
    made: list[FakeController] = []

    def make() -> FakeController:
        made.append(FakeController(Authority(tmp_path / "controller")))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def edge() -> EdgeSettings:
    """Settings of the channels of `wire`."""
    return EdgeSettings()


@pytest.fixture
def wire(zrokd_bench: Any, edge: EdgeSettings) -> Iterator[Wire]:
    """Two channels joined back to back."""
    zrokd_bench.ctx.offload(int)
    made = Wire(zrokd_bench.ctx, edge)
    yield made
    made.end()
