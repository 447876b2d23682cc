"""A real OpenZiti network of a test's own: controller and edge routers as processes that can be broken one by one.

    with ZitiNetwork(folder) as network:
        network.url                                   # of the controller
        network.identity("ann", ["people"])           # an enrolled identity's JSON, written by OpenZiti's own program
        network.router.kill(); network.router.start()

`python -m tests.ziti.network FOLDER` keeps one running until Ctrl-C. The program is built by Go, once, from go.mod and
go.sum in this folder, into .cache/.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import requests
from zrokd_plugins.overlay_ziti.authority import Authority
from zrokd_plugins.overlay_ziti.machinery import controller_file, make_room, router_file
from zrokd_plugins.overlay_ziti.program import Program

HERE = Path(__file__).parent
VERSION = "1.6.0"
BINARY = HERE.parents[1] / ".cache" / f"ziti-{VERSION}" / "ziti"
ADMIN, PASSWORD = "admin", "admin-of-a-test"
BUILD_S = 1500.0
READY_S = 60.0
DOMAIN = "test"


class NoGo(Exception):
    """The program is not there, and nothing to build it with."""


def build(tell: Callable[[str], object] = lambda _: None) -> Path:
    """The `ziti` program; built the first time, by one process while others wait. :raises NoGo: and how to help it."""
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    with (BINARY.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if BINARY.exists():
            return BINARY
        go = shutil.which("go")
        if go is None:
            raise NoGo(f"no {BINARY.name} at {BINARY} and no Go to build it with; put either there")
        tell(f"building ziti {VERSION} with {go}: some minutes, once")
        new = BINARY.with_name("ziti.new")
        command = [go, "build", "-C", str(HERE), "-ldflags", "-s -w", "-o", str(new), "github.com/openziti/ziti/ziti"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, env=_go_environment())
        if done.returncode:
            raise RuntimeError(f"ziti cannot be built: {done.stderr[-2000:]}")
        new.replace(BINARY)
        return BINARY


def _go_environment() -> dict[str, str]:
    return {**os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "auto"}


class Part:
    """One process of the network. `ready` says whether it can work."""

    def __init__(self, name: str, program: Program, arguments: Iterable[str], ready: Callable[[], bool]) -> None:
        self.name = name
        self.arguments = tuple(arguments)
        self.log = program.home / f"{name}.log"
        self._program, self._ready = program, ready
        self.child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.pid

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def start(self, *, wait: bool = True) -> None:
        """Start it, and by default wait until it can work."""
        assert not self.running
        with self.log.open("ab") as log:
            self.child = self._program.start(*self.arguments, output=log)
        if wait:
            self.wait_ready()

    def wait_ready(self, within_s: float = READY_S) -> None:
        until = time.monotonic() + within_s
        while not self._ready():
            assert self.running, f"{self.name} ended\n{self.text()}"
            assert time.monotonic() < until, f"{self.name} is not ready\n{self.text()}"
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL; it is gone afterwards."""
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM; it is gone afterwards."""
        self.end(signal.SIGTERM)

    def restart(self, *, kill: bool = False, wait: bool = True) -> None:
        """End it and start it again, on the same port with the same state."""
        self.end(signal.SIGKILL if kill else signal.SIGTERM)
        self.start(wait=wait)

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and says nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def end(self, number: int) -> None:
        if self.child is None:
            return
        if self.running:
            self.child.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(10)
            if self.running:
                self.child.send_signal(signal.SIGCONT)
                self.child.kill()
        self.child.wait()
        self.child = None

    def text(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


class ZitiNetwork:
    """Controller and routers of their own, on loopback, in `folder`. A context manager; `start` and `stop` as well.

    `host` is where all of them listen and are reached (an address of a network namespace, for instance).
    """

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", routers: int = 1, session_s: int = 1800) -> None:
        self.folder, self.host = folder, host
        folder.mkdir(parents=True, exist_ok=True)
        self.program = Program(build(), folder)
        self.port = free_port(host)
        self.authority = Authority(folder / "pki")
        self.username, self.password = ADMIN, PASSWORD
        self._session_s = session_s
        self._http = requests.Session()
        self._http.trust_env = False
        self._token = ""
        config = folder / "controller.yml"
        command = ("controller", "run", str(config), "--cliagent=false")
        self.controller = Part("controller", self.program, command, self._answers)
        self.routers: list[Part] = []
        self.router_ports: list[int] = []
        self._wanted = routers

    # -- life ---

    def __enter__(self) -> ZitiNetwork:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> ZitiNetwork:
        """Everything up: the API answers and every router is online. About four seconds the first time."""
        try:
            if not (self.folder / "ctrl.db").exists():
                self._make_controller()
                make_room(self.folder / "ctrl.db")
            self.controller.start()
            if not self.routers:
                self._make_policies()
                for _ in range(self._wanted):
                    self.add_router()
            else:
                for router in self.routers:
                    router.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Everything down, state kept. Idempotent."""
        for part in (*self.routers, self.controller):
            part.stop()
        self._http.close()

    def kill(self) -> None:
        """Everything killed -9, as when the machine loses power."""
        for part in (*self.routers, self.controller):
            part.kill()

    def restart(self, *, kill: bool = False) -> None:
        """All of it away and back, at once."""
        self.kill() if kill else self.stop()
        self.start()

    def remove(self) -> None:
        """Stop, and remove the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def router(self) -> Part:
        """The first router."""
        return self.routers[0]

    def add_router(self, *, attributes: Iterable[str] = ("public",)) -> Part:
        """One more edge router, enrolled and online."""
        name = f"router{len(self.routers) + 1}"
        folder = self.folder / name
        folder.mkdir()
        port = free_port(self.host)
        at = f"{self.host}:{port}"
        written = router_file(
            folder, controller=f"{self.host}:{self.port}", bind=at, advertise=at, names=["localhost", self.host]
        )
        config = _write(folder / "router.yml", written)
        made = self.api(
            "POST",
            "/edge-routers",
            {"name": name, "roleAttributes": [*attributes], "isTunnelerEnabled": False},
        )
        token = folder / "router.jwt"
        token.write_text(self.api("GET", f"/edge-routers/{made['id']}")["enrollmentJwt"])
        self.program.enrol_router(config, token)
        command = ("router", "run", str(config), "--cliagent=false")
        part = Part(name, self.program, command, lambda: self.is_online(name))
        self.routers.append(part)
        self.router_ports.append(port)
        part.start()
        return part

    # -- what it is ---

    @property
    def url(self) -> str:
        """https://host:port of the controller."""
        return f"https://{self.host}:{self.port}"

    @property
    def management_url(self) -> str:
        return f"{self.url}/edge/management/v1"

    @property
    def ca(self) -> Path:
        """PEM file with the network's root."""
        return self.authority.ca

    def is_online(self, name: str) -> bool:
        """Whether the controller has that router."""
        found = self.api("GET", f"/edge-routers?filter=name%3D%22{name}%22")
        return bool(found) and bool(found[0]["isOnline"]) and _listens(self.host, self._port_of(name))

    def logs(self, lines: int = 40) -> str:
        """The ends of all logs."""
        return "\n".join(f"-- {part.name}\n{part.text(lines)}" for part in (self.controller, *self.routers))

    # -- administrator ---

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """`data` of the management API's answer, as administrator. :raises AssertionError: with what it said."""
        for _ in range(2):
            answer = self._call(method, f"{self.management_url}{path}", body, self._token)
            if answer.status_code != 401:
                break
            self._token = self._login()
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json().get("data")

    def all(self, path: str) -> list[dict[str, Any]]:
        """Every object of a list, such as `/services`."""
        return list(self.api("GET", f"{path}?limit=500"))

    def circuits(self) -> set[str]:
        """Ids of the circuits that stand now."""
        answer = self._call("GET", f"{self.url}/fabric/v1/circuits?limit=500", None, self._token)
        assert answer.status_code == 200, answer.text
        return {each["id"] for each in answer.json()["data"]}

    def delete_all_sessions(self, identity: str = "") -> int:
        """End every API session, or an identity's; how many. Ours stays."""
        sessions = [each for each in self.all("/api-sessions") if identity in ("", each["identity"]["name"])]
        sessions = [each for each in sessions if each["identity"]["name"] != "Default Admin"]
        for each in sessions:
            self.api("DELETE", f"/api-sessions/{each['id']}")
        return len(sessions)

    def identity(self, name: str, attributes: Iterable[str] = (), *, admin: bool = False) -> str:
        """A new identity, enrolled by OpenZiti's own program; its identity JSON."""
        made = self.api(
            "POST",
            "/identities",
            {
                "name": name,
                "type": "Default",
                "isAdmin": admin,
                "roleAttributes": [*attributes],
                "enrollment": {"ott": True},
            },
        )
        token = self.folder / f"{name}.jwt"
        token.write_text(self.token_of(made["id"]))
        document = self.folder / f"{name}.json"
        self.program.ask("edge", "enroll", "--jwt", str(token), "--out", str(document), "--keyAlg", "EC")
        return document.read_text()

    def token_of(self, identity_id: str) -> str:
        """The one-time enrolment token (a JWT) of an identity that has not enrolled."""
        return str(self.api("GET", f"/identities/{identity_id}")["enrollment"]["ott"]["jwt"])

    def service(
        self,
        name: str,
        *,
        binds: str = "#all",
        dials: str = "#all",
        encrypted: bool = True,
        configs: Iterable[str] = (),
    ) -> str:
        """A new service that those roles may bind and dial; its id."""
        made = self.api("POST", "/services", {"name": name, "encryptionRequired": encrypted, "configs": [*configs]})
        for kind, roles in (("Bind", binds), ("Dial", dials)):
            self.api(
                "POST",
                "/service-policies",
                {
                    "name": f"{name}-{kind}",
                    "type": kind,
                    "semantic": "AnyOf",
                    "identityRoles": [roles],
                    "serviceRoles": [f"@{made['id']}"],
                },
            )
        return str(made["id"])

    def delete_service(self, name: str) -> None:
        """The service and its policies."""
        for path in ("/service-policies", "/services"):
            for each in self.all(path):
                if each["name"] in (name, f"{name}-Bind", f"{name}-Dial"):
                    self.api("DELETE", f"{path}/{each['id']}")

    def terminators(self, service: str) -> list[dict[str, Any]]:
        """Bound ends of a service, as the controller knows them."""
        return [each for each in self.all("/terminators") if each["service"]["name"] == service]

    @contextlib.contextmanager
    def prepared(self, name: str, **options: Any) -> Iterator[str]:
        """A service for a block; its name."""
        self.service(name, **options)
        try:
            yield name
        finally:
            self.delete_service(name)

    # -- inside ---

    def _make_controller(self) -> None:
        self.authority.ensure(DOMAIN, ["localhost", self.host])
        at = f"{self.host}:{self.port}"
        written = controller_file(
            self.authority, self.folder / "ctrl.db", bind=at, advertise=at, session_s=self._session_s
        )
        self.program.make_admin(_write(self.folder / "controller.yml", written), self.username, self.password)

    def _make_policies(self) -> None:
        anyone = {"semantic": "AnyOf", "edgeRouterRoles": ["#all"]}
        self.api("POST", "/edge-router-policies", {"name": "all", "identityRoles": ["#all"], **anyone})
        self.api("POST", "/service-edge-router-policies", {"name": "all", "serviceRoles": ["#all"], **anyone})

    def _login(self) -> str:
        body = {"username": self.username, "password": self.password}
        answer = self._call("POST", f"{self.management_url}/authenticate?method=password", body, "")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["token"])

    def _call(self, method: str, url: str, body: Any, token: str) -> requests.Response:
        return self._http.request(
            method,
            url,
            json=body,
            headers={"zt-session": token} if token else {},
            verify=str(self.ca),
            timeout=20,
        )

    def _answers(self) -> bool:
        try:
            return self._call("GET", f"{self.url}/edge/client/v1/version", None, "").ok
        except requests.RequestException:
            return False

    def _port_of(self, name: str) -> int:
        return self.router_ports[[router.name for router in self.routers].index(name)]


def free_port(host: str = "127.0.0.1") -> int:
    """A port outside of the range that connections take theirs from, so that a process gets it again."""
    for port in range(20000 + os.getpid() * 7 % 9000, 32000):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port not in _GIVEN:
                sock.bind((host, port))
                _GIVEN.add(port)
                return port
    raise RuntimeError("no port is free")


_GIVEN: set[int] = set()


def _listens(host: str, port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(5)
        return sock.connect_ex((host, port)) == 0


def _write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content, indent=2))
    return path


def _keep_one(folder: Path) -> None:
    with ZitiNetwork(folder) as network:
        print(f"{network.url} {network.username} {network.password} {network.ca}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    _keep_one(Path(sys.argv[1]))
