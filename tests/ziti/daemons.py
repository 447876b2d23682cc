"""Controller, frontend and backend as processes, joined only by the overlay, with what they need around them."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gevent

from tests.flow.conftest import ROOT, Answer, Person, Process, Target, Visitor, free_ports
from tests.ziti.places import Loopback
from zrokd.client.controller import Controller
from zrokd.client.environment import EnabledEnvironment, EnvironmentFile
from zrokd.model.units import Secret

NAMES = ("controller", "frontend", "backend")
ZONE = "ziti.localhost"
HOST = f"app.{ZONE}"
PRIVATE = "private-app"
ACCOUNT = "the-account-secret-of-this-test"
SECRETS = {"controller": ("admin", "frontend", "account"), "frontend": ("frontend",), "backend": ("account",)}
_OVERLAY = re.compile(r"^overlay: .*$", re.MULTILINE)


class Daemons:
    """The files of conf/ with another overlay: `overlays` gives the YAML value by daemon.

    The backend shares `target` publicly as `app`, and privately as PRIVATE; the frontend's daemon has an access to it
    at `access_port`. The controller stands at the hub; with namespaces the other two have one each.
    """

    network: Any = None  # that joins them

    def __init__(
        self, folder: Path, where: Loopback, overlays: Mapping[str, str], target: Target, **further: str
    ) -> None:
        """`further` is YAML by daemon, put at the end of its role."""
        self.folder, self.where, self.target, self.further = folder, where, target, further
        self.api_port, self.port, self.access_port = free_ports(3)
        (folder / "state").mkdir()
        (folder / "etc").mkdir()
        self.environ = self._environ()
        self.processes = {name: self._process(name, overlays[name]) for name in NAMES}
        self.controller, self.frontend, self.backend = self.processes.values()

    # -- life ---

    def start(self, within_s: float = 30.0) -> None:
        """All three run, a visitor gets an answer, and the private share can be accessed."""
        self.controller.start(wait=False)
        self.controller.told("READY=1", within_s)
        self._enable_frontend_host()
        self.backend.start(wait=False)
        self.backend.told("READY=1", within_s)
        self.wait_for(lambda: "2 of 2 shares are bound" in self.backend.detail(), within_s)
        self.frontend.start(wait=False)
        self.frontend.told("READY=1", within_s)
        self.wait_for_traffic(within_s)
        self.wait_for(lambda: self.status_of_access() == 200, within_s)

    def close(self) -> None:
        for process in self.processes.values():
            process.close()

    def logs(self, lines: int = 60) -> str:
        """The ends of all logs."""
        ends = ("\n".join(process.text().splitlines()[-lines:]) for process in self.processes.values())
        return "\n".join(f"-- {name}\n{end}" for name, end in zip(self.processes, ends, strict=True))

    # -- visitors ---

    def visitor(self, host: str = HOST, timeout_s: float = 10.0) -> Visitor:
        """Somebody at the public entrance."""
        made = Visitor(self.port, host, timeout_s)
        made.connection.host = self.where.host("frontend")
        return made

    def guest(self, timeout_s: float = 10.0) -> Visitor:
        """Somebody at the private access."""
        made = Visitor(self.access_port, "private", timeout_s)
        made.connection.host = self.where.host("frontend")
        return made

    def ask(self, path: str = "/", host: str = HOST, timeout_s: float = 10.0) -> Answer | None:
        """One request on a new connection; None: no answer."""
        try:
            with self.visitor(host, timeout_s) as visitor:
                return visitor.get(path)
        except (OSError, http.client.HTTPException):
            return None

    def status(self, host: str = HOST, timeout_s: float = 10.0) -> int:
        """Status of one request on a new connection; 0: no answer."""
        answer = self.ask("/", host, timeout_s)
        return answer.status if answer else 0

    def status_of_access(self) -> int:
        """The same at the private access."""
        try:
            with self.guest() as guest:
                return guest.get().status
        except (OSError, http.client.HTTPException):
            return 0

    def wait_for_traffic(self, within_s: float = 10.0, host: str = HOST) -> float:
        """Seconds until a visitor is served."""
        return self.wait_for(lambda: self.status(host) == 200, within_s)

    def wait_for(self, check: Callable[[], Any], within_s: float = 10.0) -> float:
        """Seconds until `check` is true; fails with the logs."""
        began = time.monotonic()
        while not check():
            assert time.monotonic() - began < within_s, f"not within {within_s:g} s\n{self.logs()}"
            gevent.sleep(0.02)
        return time.monotonic() - began

    def add_share(self, share: str) -> None:
        """One more share in the backend's file, as YAML; the backend is told."""
        self.backend.file.write_text(f"{self.backend.file.read_text()}      - {share}\n")
        self.backend.reload()

    def more_ports(self, count: int) -> list[int]:
        """See free_ports."""
        return free_ports(count)

    # -- inside ---

    def _process(self, name: str, overlay: str) -> Process:
        state, secrets = self.folder / "state" / name, self.folder / "state" / f"{name}-secrets"
        state.mkdir(mode=0o700)
        secrets.mkdir(mode=0o700)
        for secret in SECRETS[name]:
            (secrets / secret).write_text(f"the-{secret}-secret-of-this-test\n")
            (secrets / secret).chmod(0o400)
        text = (ROOT / "conf" / f"{name}.yml").read_text()
        text = _OVERLAY.sub(lambda _: f"overlay: {overlay}", text)
        text = text.replace("http://127.0.0.1:${ZROKD_API_PORT", f"http://{self.where.hub}:${{ZROKD_API_PORT")
        text = text.replace("listen: 127.0.0.1", f"listen: {self.where.host(name)}")
        text += self._further(name)
        (self.folder / "etc" / f"{name}.yml").write_text(text)
        environ = {**self.environ, "STATE_DIRECTORY": str(state), "ZROKD_SECRETS": str(secrets)}
        program = [*self.where.prefix(name), sys.executable, "-m", "zrokd"]
        return Process(name, self.folder, Person(), environ, program)

    def _further(self, name: str) -> str:
        return self._own(name) + self.further.get(name, "")

    def _own(self, name: str) -> str:
        if name == "backend":
            return f"      - {{private: true, token: {PRIVATE}, target: {self.target.url}}}\n"
        if name == "frontend":
            at = f"{self.where.host(name)}:{self.access_port}"
            environment = self.folder / "environment"
            return f"    environment: {environment}\n    accesses: [{{share: {PRIVATE}, listen: '{at}'}}]\n"
        return ""

    def _environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "PYTHONDONTWRITEBYTECODE": "1",
            "ZROKD_GROUP": str(os.getgid()),
            "ZROKD_API_PORT": str(self.api_port),
            "ZROKD_PORT": str(self.port),
            "ZROKD_ZONE": ZONE,
            "ZROKD_TARGET": self.target.url,
        }

    def _enable_frontend_host(self) -> None:
        """What `zrokd enable` does where the access is."""
        url, file = f"http://{self.where.hub}:{self.api_port}", EnvironmentFile(self.folder / "environment")
        if file.load() is not None:
            return
        controller = Controller(url, Secret(ACCOUNT))
        identity = controller.enable("visitor", "beside the frontend")
        controller.close()
        file.save(EnabledEnvironment(controller=url, account_token=Secret(ACCOUNT), identity=identity))


@contextlib.contextmanager
def target_at(where: Loopback, name: str) -> Iterator[Target]:
    """A web server that only its neighbours at `name` reach."""
    with where.inside(name):
        made = Target()
    yield made
    made.release.set()
    made.events.put(None)
    made.stop()


_ECHO = """
import contextlib, websockets
from websockets.sync.server import serve
def echo(connection):
    with contextlib.suppress(websockets.ConnectionClosedError):
        for message in connection:
            connection.send(message)
with serve(echo, "127.0.0.1", 0) as server:
    print(server.socket.getsockname()[1], flush=True)
    server.serve_forever()
"""


_AT_THE_END = """
import hashlib, socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        sock, _ = server.accept()
        with sock, sock.makefile("rb") as file:
            heard = file.read()
            sock.sendall(b"%d " % len(heard) + hashlib.sha256(heard).hexdigest().encode())
"""


def tcp_server_at(where: Loopback, name: str) -> contextlib.AbstractContextManager[int]:
    """The port of a server, at `name`, that answers when it has heard the end."""
    return _server_at(where, name, _AT_THE_END)


def websocket_server_at(where: Loopback, name: str) -> contextlib.AbstractContextManager[int]:
    """The port of a websocket server that answers what it hears, at `name`."""
    return _server_at(where, name, _ECHO)


@contextlib.contextmanager
def _server_at(where: Loopback, name: str, program: str) -> Iterator[int]:
    command = [*where.prefix(name), sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.kill()


def connect_to(where: Loopback, name: str, port: int, timeout_s: float = 10.0) -> socket.socket:
    """A connection to what listens at `name`; the caller closes it."""
    return socket.create_connection((where.host(name), port), timeout_s)


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
