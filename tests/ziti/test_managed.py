"""The network that the overlay runs itself: founded once, kept running, gone with us."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import pytest
import requests
from zrokd_plugins.overlay_ziti.authority import certificate_of, names_of
from zrokd_plugins.overlay_ziti.managed import ManagedNetwork, ManagedSettings

from tests.ziti.network import free_port
from zrokd.errors import StartError

BACK_WITHIN_S = 10.0


class Admin:
    """The management API, as a network is founded with it."""

    def __init__(self, url: str, username: str, password: Any, ca: str) -> None:
        self.url, self.verify = f"{url}/edge/management/v1", ca
        self.session = requests.Session()
        self.session.trust_env = False
        body = {"username": username, "password": password.reveal()}
        self.session.headers["zt-session"] = self.call("POST", "/authenticate?method=password", body)["token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.session.request(method, self.url + path, json=body, verify=self.verify, timeout=20)
        assert answer.ok, answer.text
        return answer.json()["data"]

    def close(self) -> None:
        """It goes on: the test asks, too."""

    def list(self, path: str, filter: str = "") -> list[dict[str, Any]]:  # noqa: A002
        return list(self.call("GET", f"{path}?filter={requests.utils.quote(filter)}"))


class Managed:
    """Networks in one state folder, one after the other."""

    def __init__(self, bench: Any, folder: Path, program: Path) -> None:
        self.bench, self.folder = bench, folder
        self.binary = str(program)
        self.ports = free_port(), free_port()
        self.network: Any = None
        self.admin: Any = None

    def settings(self, **changes: Any) -> ManagedSettings:
        controller, router = (f"127.0.0.1:{port}" for port in self.ports)
        return ManagedSettings(
            **{"binary": self.binary, "controller": controller, "router": router, "restart_pause": "50ms", **changes}
        )

    def open(self, **changes: Any) -> Any:
        self.network = ManagedNetwork(self.settings(**changes), self.bench.ctx)
        self.network.open(self.connect)
        return self.network

    def connect(self, url: str, username: str, password: Any, ca: str) -> Admin:
        file = self.folder / "root.pem"
        file.write_text(ca)
        self.admin = Admin(url, username, password, str(file))
        return self.admin

    def close(self) -> None:
        if self.network is not None:
            self.network.close()
        if self.admin is not None:
            self.admin.session.close()


@pytest.fixture
def managed(zrokd_bench, tmp_path, ziti_program):
    made = Managed(zrokd_bench, tmp_path, ziti_program)
    yield made
    made.close()


def test_a_network_is_founded_and_found_again(managed, capsys):
    began = time.monotonic()
    managed.open()
    first_s = time.monotonic() - began
    managed.admin.call("POST", "/services", {"name": "kept", "encryptionRequired": True})
    password, ca = managed.network.password, managed.network.ca
    managed.close()
    began = time.monotonic()
    managed.open()
    with capsys.disabled():
        print(
            f"\nmanaged network: founded in {first_s:.2f} s, started again in {time.monotonic() - began:.2f} s", end=" "
        )
    assert managed.admin.list("/services", 'name="kept"')
    assert len(managed.admin.list("/edge-routers")) == 1
    assert (managed.network.password, managed.network.ca) == (password, ca)
    assert managed.network.health().ok


def test_secrets_are_for_us_alone_and_in_no_command_line(managed):
    managed.open()
    password = managed.network.password.reveal()
    assert len(password) > 30
    for path in managed.network.folder.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert path.is_dir() or mode & 0o077 == 0 or not secret(path), f"{path} has mode {mode:o}"
    assert stat.S_IMODE(managed.network.folder.stat().st_mode) == 0o700
    for pid in managed.network.pids().values():
        assert password.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert password.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def secret(path: Path) -> bool:
    return path.suffix == ".key" or path.name in ("password", "key.pem", "ctrl.db")


def test_the_password_is_in_no_command_line_while_the_network_is_founded(managed):
    seen: set[bytes] = set()

    def look() -> None:
        while True:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes())
                except OSError:
                    continue
            gevent.sleep(0.01)

    watcher = gevent.spawn(look)
    managed.open()
    watcher.kill()
    assert [line for line in seen if b"edge\0init" in line]
    assert [line for line in seen if managed.network.password.reveal().encode() in line] == []


@pytest.mark.parametrize("part", ["controller", "router"])
@pytest.mark.leaves_behind("its processes are others after a restart")
def test_what_ends_by_itself_is_started_again(managed, part, capsys):
    network = managed.open()
    before = network.pids()
    began = time.monotonic()
    os.kill(before[part], signal.SIGKILL)
    eventually(lambda: not network.health().ok)
    assert f"the managed {part} is away" in network.health().detail
    eventually(lambda: network.health().ok)
    back_s = time.monotonic() - began
    with capsys.disabled():
        print(f"\nmanaged {part} killed: back after {back_s:.2f} s", end=" ")
    assert back_s < BACK_WITHIN_S
    assert network.pids()[part] not in (0, before[part])
    eventually(lambda: managed.admin.list("/edge-routers")[0]["isOnline"])


def test_other_names_make_other_certificates_under_the_same_root(managed):
    ca = managed.open().ca
    managed.close()
    network = managed.open(names=["localhost", "ziti.example.com"])
    assert network.ca == ca
    for file in ("pki/server.pem", "router/server.pem"):
        assert names_of(certificate_of(network.folder / file)) == {"localhost", "127.0.0.1", "ziti.example.com"}
    assert managed.admin.list("/edge-routers")[0]["hostname"] == "localhost"


def test_names_that_were_told_may_go_and_the_router_may_move(managed):
    managed.open(names=["localhost"])
    managed.close()
    managed.ports = managed.ports[0], free_port()
    managed.open(names=["127.0.0.1"])
    assert managed.admin.list("/edge-routers")[0]["hostname"] == "127.0.0.1"


def test_a_controller_that_moves_is_refused_at_once_and_comes_back(managed):
    network = managed.open()
    managed.close()
    (network.folder / "controller-address").unlink()  # as an older version left it
    first, router = managed.ports
    managed.ports = free_port(), router
    with pytest.raises(StartError, match=rf"made with 127\.0\.0\.1:{first}, .* 127\.0\.0\.1:{managed.ports[0]}: put"):
        managed.open()
    managed.ports = first, router
    assert managed.open().health().ok


def test_a_network_whose_founding_was_cut_off_is_founded_again(managed):
    network = ManagedNetwork(managed.settings(), managed.bench.ctx)
    network.folder.mkdir()
    (network.folder / "ctrl.db.new").write_bytes(b"half")
    (network.folder / "password").write_text("of the first try\n")
    assert managed.open().password.reveal() != "of the first try"


def test_a_router_whose_certificate_was_lost_is_enrolled_again(managed):
    network = managed.open()
    managed.close()
    (network.folder / "router" / "server.pem").unlink()
    managed.open()
    assert managed.admin.list("/edge-routers")[0]["isOnline"]


# -- mistakes ---


def test_a_missing_program_is_named(managed):
    with pytest.raises(StartError, match=r"no program '/nowhere/ziti'; docs/ziti.md"):
        managed.open(binary="/nowhere/ziti")


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("v9.1.0", "is ziti 9.1.0; a managed network needs"),
        ("v0.31.0", "is ziti 0.31.0; a managed network needs"),
        ("hello", "is no ziti program"),
    ],
)
def test_a_wrong_program_is_named(managed, tmp_path, says, told):
    program = tmp_path / "ziti"
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o755)
    with pytest.raises(StartError, match=told):
        managed.open(binary=str(program))


@pytest.mark.parametrize("part", [0, 1])
def test_a_taken_port_is_named(managed, part):
    import socket

    with socket.create_server(("127.0.0.1", managed.ports[part])):
        name = ("controller", "router")[part]
        with pytest.raises(StartError, match=rf"overlay.managed.{name}: 127.0.0.1:{managed.ports[part]} is taken"):
            managed.open()


def test_a_lost_password_is_named(managed):
    network = managed.open()
    managed.close()
    (network.folder / "password").unlink()
    with pytest.raises(StartError, match="password is gone"):
        managed.open()


def test_a_program_that_cannot_serve_tells_why(managed):
    network = managed.open()
    managed.close()
    (network.folder / "ctrl.db").write_bytes(b"this is no database")
    with pytest.raises(StartError, match="the managed controller ended with"):
        managed.open()


# -- the end of us ---

_OWNER = """
from gevent import monkey; monkey.patch_all()
import json, sys, gevent
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.ziti.test_managed import Managed
from zrokd.testing.plugin import bench
with bench(Path({folder!r}) / "state") as made:
    owner = Managed(made, Path({folder!r}), Path({binary!r}))
    owner.ports = {ports!r}
    print(json.dumps(owner.open().pids()), flush=True)
    gevent.sleep(60)
"""


@pytest.mark.timeout(120)  # it is founded anew, twice
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_owner_and_the_next_owner_begins_at_once(managed, tmp_path, number, ziti_program):
    root = str(Path(__file__).parents[2])
    code = _OWNER.format(root=root, folder=str(tmp_path), binary=str(ziti_program), ports=managed.ports)
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
            assert owner.stdout is not None
            pids = json.loads(owner.stdout.readline())
            owner.send_signal(number)
        eventually(lambda pids=pids: not any(Path(f"/proc/{pid}").exists() for pid in pids.values()), 2.0)


@pytest.mark.leaves_behind("a process of another owner is ended")
def test_what_an_owner_before_left_is_ended(managed):
    network = managed.open()
    managed.close()
    config = network.folder / "controller.json"
    with subprocess.Popen([managed.binary, "controller", "run", str(config)], stderr=subprocess.DEVNULL) as left:
        config.with_suffix(".pid").write_text(f"{left.pid}\n")
        managed.open()
        assert left.wait(5) == -signal.SIGKILL


def test_a_process_that_is_none_of_ours_is_not_ended(managed):
    network = ManagedNetwork(managed.settings(), managed.bench.ctx)
    network.folder.mkdir()
    with subprocess.Popen(["sleep", "60"]) as other:
        (network.folder / "controller.pid").write_text(f"{other.pid}\n")
        managed.open()
        assert other.poll() is None
        other.kill()


def eventually(check, within_s: float = BACK_WITHIN_S):
    until = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < until
        gevent.sleep(0.01)
