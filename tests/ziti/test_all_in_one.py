"""conf/ziti.yml: one command and the `ziti` program are a whole service."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.conftest import ROOT, Person, Process, Visitor
from tests.ziti.network import free_port
from tests.ziti.watch import eventually

pytestmark = [pytest.mark.timeout(120), pytest.mark.leaves_behind("processes are others after a restart")]
BACK_WITHIN_S = 10.0
HOST = "hello.localhost"
PORTS = ("ZROKD_PORT", "ZROKD_API_PORT", "ZROKD_ZITI_CONTROLLER_PORT", "ZROKD_ZITI_ROUTER_PORT")


class AllInOne:
    """The daemon of conf/ziti.yml."""

    def __init__(self, folder: Path, program: Path) -> None:
        self.folder = folder
        (folder / "etc").mkdir()
        shutil.copyfile(ROOT / "conf" / "ziti.yml", folder / "etc" / "ziti.yml")
        self.ports = {name: str(free_port()) for name in PORTS}
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "PYTHONDONTWRITEBYTECODE": "1",
            "ZROKD_STATE_DIR": str(folder / "state" / "ziti"),
            "ZROKD_ZITI": str(program),
            **self.ports,
        }
        self.process = Process("ziti", folder, Person(), environ, [sys.executable, "-m", "zrokd"])

    def start(self) -> float:
        """Seconds until a visitor is served."""
        began = time.monotonic()
        self.process.start(wait=False)
        self.process.told("READY=1", 60.0)
        eventually(lambda: self.status() == 200, 60.0, self.process.text)
        return time.monotonic() - began

    def status(self) -> int:
        try:
            with Visitor(int(self.ports["ZROKD_PORT"]), HOST) as visitor:
                return visitor.get().status
        except (OSError, http.client.HTTPException):
            return 0

    def ziti_pids(self) -> list[int]:
        """Processes of the network."""
        mark = str(self.folder).encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"/ziti") and any(mark in word for word in words[1:]):
                found.append(int(path.parent.name))
        return found


@pytest.fixture
def all_in_one(ziti_program: Path) -> Iterator[AllInOne]:
    folder = Path(tempfile.mkdtemp(prefix="zrokd-ziti-"))
    made = AllInOne(folder, ziti_program)
    yield made
    made.process.close()
    eventually(lambda: not made.ziti_pids(), 5.0)
    shutil.rmtree(folder)


def test_it_serves_survives_a_kill_and_ends_with_all_it_started(all_in_one, capsys):
    first_s = all_in_one.start()
    assert len(all_in_one.ziti_pids()) == 2
    all_in_one.process.kill()
    eventually(lambda: not all_in_one.ziti_pids(), 2.0)
    again_s = all_in_one.start()
    with capsys.disabled():
        print(f"\nall in one: first page after {first_s:.1f} s, after kill -9 and start {again_s:.1f} s", end=" ")
    assert again_s <= BACK_WITHIN_S
    began = time.monotonic()
    assert all_in_one.process.end(signal.SIGTERM) == 0
    assert time.monotonic() - began <= 10.0
    assert all_in_one.ziti_pids() == []


@pytest.mark.parametrize("part", ["controller", "router"])
def test_a_part_that_is_killed_is_told_and_comes_back(all_in_one, part, capsys):
    all_in_one.start()
    (pid,) = (pid for pid in all_in_one.ziti_pids() if part.encode() in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    eventually(lambda: f"managed {part} is away" in all_in_one.process.detail("overlay.ziti"), 5.0)
    eventually(lambda: all_in_one.process.ready()[0] == 200, BACK_WITHIN_S, all_in_one.process.text)
    eventually(lambda: all_in_one.status() == 200, BACK_WITHIN_S, all_in_one.process.text)
    with capsys.disabled():
        print(f"\nall in one: its {part} killed, back after {time.monotonic() - began:.2f} s", end=" ")


def test_no_secret_is_in_the_log_or_in_a_command_line(all_in_one):
    all_in_one.start()
    secret = next(all_in_one.process.state.rglob("network/password")).read_text().strip()
    lines = [Path(f"/proc/{pid}/cmdline").read_text() for pid in all_in_one.ziti_pids()]
    assert secret not in all_in_one.process.text() + "".join(lines)
    assert "BEGIN" not in all_in_one.process.text()


def test_a_missing_program_is_told_at_once(all_in_one):
    all_in_one.process.environ["ZROKD_ZITI"] = "/nowhere/ziti"
    all_in_one.process.start(wait=False)
    assert all_in_one.process.ended() != 0
    assert "there is no program '/nowhere/ziti'; docs/ziti.md says where to get ziti" in all_in_one.process.text()
