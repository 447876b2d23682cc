"""What the flows need: a web server to share, visitors that know nothing of zrokd, daemons as processes."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.queue import Queue
from gevent.server import StreamServer
from websockets.sync.client import connect as websocket

ROOT = Path(__file__).parents[2]
WAIT_S = 10.0
PIECE = 256 * 1024


def eventually(check: Callable[[], Any], why: str | Callable[[], str] = "", within_s: float = WAIT_S) -> Any:
    """What `check` gives, once it is true; for what no event tells of."""
    until = time.monotonic() + within_s
    while not (found := check()):
        if time.monotonic() > until:
            pytest.fail((why() if callable(why) else why) or "it never came true")
        gevent.sleep(0.01)
    return found


# -- what is shared ---


class Target:
    """A web server of the standard library that shows what reached it, and counts who came."""

    def __init__(self) -> None:
        self.accepted = 0
        self.heads: list[dict[str, str]] = []  # of requests, names in lower case
        self.entered, self.release = Event(), Event()  # of /slow
        self.events: Any = Queue()  # what /events sends, each in one write; None ends it
        self._server = self._listen(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.stop(timeout=0.1)

    def start(self) -> None:
        """Serve again, on the same port."""
        self._server = self._listen(("127.0.0.1", self.port))

    def _listen(self, address: tuple[str, int]) -> StreamServer:
        server = StreamServer(address, self._serve)
        server.start()
        return server

    def _serve(self, sock: socket.socket, address: tuple[str, int]) -> None:
        self.accepted += 1
        with contextlib.suppress(OSError):
            Handler(sock, address, self)  # type: ignore[arg-type]


class Handler(BaseHTTPRequestHandler):
    """One connection to a Target."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Target  # type: ignore[assignment]

    def log_message(self, *_: object) -> None: ...

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        if parsed:
            self.server.heads.append({name.lower(): value for name, value in self.headers.items()})
        return parsed

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/slow":
            self.server.entered.set()
            self.server.release.wait(WAIT_S)
        if path == "/events":
            return self._events()
        if path.startswith("/bytes/"):
            return self._bytes(int(path.rpartition("/")[2]))
        if path.startswith("/status/"):
            return self._answer(int(path.rpartition("/")[2]), b"")
        return self._answer(200, f"target {self.server.port} {self.path}\n".encode())

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        if self.path == "/echo":
            return self._answer(200, b"".join(self._body()))
        digest, size = hashlib.sha256(), 0
        for piece in self._body():
            digest.update(piece)
            size += len(piece)
        return self._answer(200, f"{size} {digest.hexdigest()}".encode())

    do_PUT = do_POST  # noqa: N815

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _bytes(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for piece in pieces(size):
            self.wfile.write(piece)

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for text in iter(self.server.events.get, None):
            self.wfile.write(f"data: {text}\n\n".encode())

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            yield from self._chunks()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left and (piece := self.rfile.read(min(left, PIECE))):
            left -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass


def pieces(size: int, seed: int = 7) -> Iterator[bytes]:
    """`size` bytes that do not repeat soon, the same for the same seed."""
    block = random.Random(seed).randbytes(PIECE + 1)  # odd, so that pieces differ
    at = 0
    while at < size:
        take = min(PIECE, size - at, len(block) - at % len(block))
        yield block[at % len(block) :][:take]
        at += take


def digest_of(size: int) -> str:
    digest = hashlib.sha256()
    for piece in pieces(size):
        digest.update(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def serving() -> Iterator[Target]:
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


@pytest.fixture
def target() -> Iterator[Target]:
    with serving() as made:
        yield made


@pytest.fixture
def other_target() -> Iterator[Target]:
    with serving() as made:
        yield made


@contextlib.contextmanager
def echoing() -> Iterator[int]:
    """A websocket server that answers what it hears; its port. A process: its threads and the hub do not mix."""
    with subprocess.Popen([sys.executable, "-c", _ECHO], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.kill()


@pytest.fixture
def echo_server() -> Iterator[int]:
    """The port of a websocket server that answers what it hears."""
    with echoing() as port:
        yield port


@pytest.fixture
def open_websocket() -> Callable[[int, str], contextlib.AbstractContextManager[Any]]:
    """open_websocket(port, host): a connection to a websocket server behind that frontend."""

    @contextlib.contextmanager
    def opened(port: int, host: str) -> Iterator[Any]:
        sock = socket.create_connection(("127.0.0.1", port), WAIT_S)
        with websocket(f"ws://{host}/chat?room=1", sock=sock, proxy=None, open_timeout=WAIT_S) as connection:
            yield connection

    return opened


# -- visitors ---


@dataclass
class Answer:
    status: int
    fields: dict[str, str]
    body: bytes


class Visitor:
    """A client of the standard library, on one connection."""

    def __init__(self, port: int, host: str, timeout_s: float = WAIT_S) -> None:
        self.host = host
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def ask(self, method: str, path: str = "/", body: Any = None, **fields: str) -> Answer:
        """One request; `fields` are header fields, with _ for -. Sends `body` chunked when it is an iterator."""
        heads = {name.replace("_", "-"): value for name, value in fields.items()}
        self.connection.request(method, path, body, {"Host": self.host, **heads}, encode_chunked=_is_stream(body))
        return self.read()

    def read(self) -> Answer:
        answer = self.connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def get(self, path: str = "/", **fields: str) -> Answer:
        return self.ask("GET", path, **fields)

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_stream(body: Any) -> bool:
    return hasattr(body, "__next__")


class Stream:
    """Requests one after the other, on and on; what failed."""

    def __init__(self, port: int, host: str) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self._ended = False
        self._visitor = Visitor(port, host)
        self._greenlet = gevent.spawn(self._go)

    def _go(self) -> None:
        while not self._ended:
            try:
                answer = self._visitor.get(f"/{self.answered}")
            except (OSError, http.client.HTTPException) as error:
                self._visitor.close()
                self.failed.append(repr(error))
            else:
                if answer.status != 200 or f"/{self.answered}\n" not in answer.body.decode():
                    self.failed.append(f"{answer.status} {answer.body[:80]!r}")
            self.answered += 1
            gevent.sleep(0.002)

    def more(self, count: int = 20) -> None:
        """Return after so many more requests."""
        until = self.answered + count
        eventually(lambda: self.answered >= until, "the stream of requests stands still")

    def end(self) -> None:
        self._ended = True
        self._greenlet.join(WAIT_S)
        self._visitor.close()


# -- daemons ---


@dataclass
class Person:
    """Who a process runs as; None: who runs the tests."""

    uid: int | None = None
    gid: int | None = None

    def as_arguments(self) -> dict[str, Any]:
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass
class Process:
    """One `zrokd run FILE`, as its unit starts it: a user, a state folder, secrets of its own, a notify socket."""

    name: str
    folder: Path
    person: Person
    environ: Mapping[str, str]
    program: list[str]  # how that user starts zrokd
    child: Any = None
    said: list[str] = field(default_factory=list)  # to the service manager

    def __post_init__(self) -> None:
        self.file = self.folder / "etc" / f"{self.name}.yml"
        self.state, self.log = self.folder / "state" / self.name, self.folder / f"{self.name}.log"
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.manager.bind(str(self.folder / f"{self.name}.notify"))
        (self.folder / f"{self.name}.notify").chmod(0o777)

    @property
    def pid(self) -> int:
        return int(self.child.pid)

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def start(self, *, wait: bool = True) -> None:
        """Start it; return when it told the service manager that it is ready."""
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                [*self.program, "run", str(self.file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**self.environ, "NOTIFY_SOCKET": str(self.folder / f"{self.name}.notify")},
                umask=0o077,
                **self.person.as_arguments(),
            )
        if wait:
            self.told("READY=1")

    def told(self, word: str, within_s: float = WAIT_S) -> None:
        """Wait until it tells the service manager so."""
        until = time.monotonic() + within_s
        while word not in self.said:
            self.manager.settimeout(max(0.01, until - time.monotonic()))
            try:
                self.said += self.manager.recv(4096).decode().splitlines()
            except TimeoutError:
                pytest.fail(f"{self.name} did not say {word}: {self.said}\n{self.text()}")
        self.said = self.said[self.said.index(word) + 1 :]

    def reload(self) -> None:
        """SIGHUP; return when it was answered."""
        self.child.send_signal(signal.SIGHUP)
        self.told("RELOADING=1")
        self.told("READY=1")

    def kill(self) -> None:
        """SIGKILL; return when it is gone."""
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> int:
        """The exit code after a signal."""
        if self.running:
            self.child.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Its exit code, once it ended; it was told to before."""
        return int(self.child.wait(WAIT_S))

    def close(self) -> None:
        if self.running:
            self.kill()
        self.manager.close()

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def records(self) -> list[dict[str, Any]]:
        """Its log. Fails when a line of it is none of ours."""
        return [json.loads(line) for line in self.text().splitlines()]

    def ready(self, role: str = "") -> tuple[int, dict[str, Any]]:
        """Status and body of /readyz."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(self.state / "health.sock"))
            sock.sendall(f"GET /readyz{role and '/' + role} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(sock)
            answer.begin()
            with contextlib.closing(answer):
                return answer.status, json.loads(answer.read())
        finally:
            sock.close()

    def detail(self, component: str = "") -> str:
        """What /readyz tells of a component; by default of the role."""
        return str(self.ready()[1]["components"][component or f"role.{self.name}"]["detail"])


NAMES = ("controller", "frontend", "backend")
SECRETS = {"controller": ("admin", "frontend", "account"), "frontend": ("frontend",), "backend": ("account",)}
GID = 61900  # of the group that may meet; belongs to nobody, as the users do
_RUN = "import runpy, site; site.addsitedir({folder!r}); runpy.run_module('zrokd', run_name='__main__', alter_sys=True)"
# The second: an interpreter in root's home is none for others, and the system's of the same version reads the same.
_PROGRAMS = [
    [sys.executable, "-m", "zrokd"],
    [
        f"/usr/bin/python3.{sys.version_info.minor}",
        "-c",
        _RUN.format(folder=sysconfig.get_path("purelib")),
    ],
]
ZONE = "three.localhost"
HOST = f"app.{ZONE}"


class Deployment:
    """Controller, frontend and backend from conf/, each under a user of its own where that is possible."""

    def __init__(self, folder: Path, target: Target) -> None:
        self.folder = folder
        self.program = program_for_others()
        self.people = people() if self.program else dict.fromkeys(NAMES, Person())
        self.gid = GID if self.apart else os.getgid()
        self.api_port, self.port = free_ports(2)
        self._make_folders()
        self.processes = {name: self._process(name, target) for name in NAMES}
        self.controller, self.frontend, self.backend = self.processes.values()

    @property
    def apart(self) -> bool:
        """Whether each runs under another user."""
        return self.people["controller"].uid is not None

    @property
    def overlay(self) -> Path:
        return self.folder / "run" / "overlay"

    def start(self) -> None:
        """Start all three; return when a visitor gets an answer."""
        for process in self.processes.values():
            process.start(wait=False)
        for process in self.processes.values():
            process.told("READY=1")
        self.wait_for_traffic()

    def close(self) -> None:
        for process in self.processes.values():
            process.close()

    def visitor(self, host: str = HOST, timeout_s: float = WAIT_S) -> Visitor:
        return Visitor(self.port, host, timeout_s)

    def status(self, host: str = HOST) -> int:
        """What a new visitor gets; 0: nothing."""
        try:
            with self.visitor(host) as visitor:
                return visitor.get().status
        except OSError:
            return 0

    def wait_for_traffic(self, host: str = HOST, within_s: float = WAIT_S) -> None:
        eventually(lambda: self.status(host) == 200, lambda: f"no traffic\n{self.logs()}", within_s)

    def logs(self) -> str:
        return "\n".join(f"-- {name}\n{process.text()}" for name, process in self.processes.items())

    def sockets(self) -> list[Path]:
        """Sockets of bound terminators, stale ones too."""
        return [path for path in self.overlay.glob("*/*") if path.is_socket()]

    def tokens(self) -> list[str]:
        """Tokens of the shares that the overlay holds."""
        return sorted(path.name for path in self.overlay.iterdir() if not path.name.startswith("."))

    def free_ports(self, count: int) -> list[int]:
        """See free_ports."""
        return free_ports(count)

    def _make_folders(self) -> None:
        run, etc = self.folder / "run", self.folder / "etc"
        for path in (run, etc, self.folder / "state"):
            path.mkdir()
        os.chown(run, -1, self.gid)
        run.chmod(0o2770)  # as systemd-tmpfiles makes /run/zrokd
        for name in NAMES:
            shutil.copyfile(ROOT / "conf" / f"{name}.yml", etc / f"{name}.yml")

    def _process(self, name: str, target: Target) -> Process:
        person = self.people[name]
        state, secrets = self.folder / "state" / name, self.folder / "state" / f"{name}-secrets"
        state.mkdir(mode=0o700)
        secrets.mkdir(mode=0o700)
        for secret in SECRETS[name]:
            (secrets / secret).write_text(f"the-{secret}-secret-of-this-test\n")
            (secrets / secret).chmod(0o400)
        if person.uid is not None:
            for path in (state, secrets, *secrets.iterdir()):
                os.chown(path, person.uid, self.gid)
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "PYTHONDONTWRITEBYTECODE": "1",
            "STATE_DIRECTORY": str(state),
            "ZROKD_SECRETS": str(secrets),
            "ZROKD_OVERLAY_DIR": str(self.overlay),
            "ZROKD_GROUP": str(self.gid),
            "ZROKD_API_PORT": str(self.api_port),
            "ZROKD_PORT": str(self.port),
            "ZROKD_ZONE": ZONE,
            "ZROKD_TARGET": target.url,
        }
        return Process(name, self.folder, person, environ, self.program or [sys.executable, "-m", "zrokd"])


def people() -> dict[str, Person]:
    return {name: Person(GID + number, GID) for number, name in enumerate(NAMES, 1)}


def program_for_others() -> list[str]:
    """How other users start this zrokd; nothing when we may not become others, or they cannot read it."""
    if os.getuid() != 0:
        print("not root: all daemons run under one user")
        return []
    other = Person(GID + 9, GID).as_arguments()
    for program in _PROGRAMS:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([*program, "--version"], cwd="/", capture_output=True, check=True, **other)
            return program
    print("other users cannot read this program: all daemons run under one user")
    return []


def free_ports(count: int) -> list[int]:
    """Ports outside of the range that connections take theirs from, so that a daemon gets its port again."""
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            found.append(port)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name that other users may enter; pytest's is neither."""
    path = Path(tempfile.mkdtemp(prefix="zrokd-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def three(folder: Path, target: Target) -> Iterator[Deployment]:
    """The three daemons, running."""
    made = Deployment(folder, target)
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def stream() -> Iterator[Callable[[int, str], Stream]]:
    """stream(port, host): requests that go on until the test ends."""
    made: list[Stream] = []

    def begin(port: int, host: str) -> Stream:
        made.append(Stream(port, host))
        return made[-1]

    yield begin
    for each in made:
        each.end()


@pytest.fixture(name="visitor_class")
def _visitor_class() -> type[Visitor]:
    return Visitor


@pytest.fixture(name="pieces")
def _pieces() -> Callable[[int], Iterator[bytes]]:
    return pieces


@pytest.fixture(name="digest_of")
def _digest_of() -> Callable[[int], str]:
    return digest_of
