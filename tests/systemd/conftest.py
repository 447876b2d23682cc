"""A daemon in a process of its own, as a service manager would start it."""

import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

ROLE = """
import os, pathlib, time
import gevent.monkey
from pydantic import Field
from zrokd import hookimpl
from zrokd.contracts import AddressSetting, Role, Settings
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.server import serve
from zrokd.net.listener import Listener

class Keys(Settings):
    listen: AddressSetting = Field(description="Where it answers.")
    text: str = Field(default="hello", description="What it answers.")
    workers: int = Field(default=1, description="Processes that answer.")

class Desk(Role):
    \"\"\"Its text; /pid who it is, /slow waits for a file named go in its folder, /block stands on the hub.\"\"\"
    name = "desk"
    Settings = Keys
    listener = None
    def open(self):
        self.go = self.ctx.state_dir / "go"
        sock = self.ctx.listen(self.settings.listen)
        self.listener = Listener(sock, self.connection, log=self.ctx.log, scales=self.ctx.scales, name="desk")
    @property
    def workers(self):
        return self.settings.workers
    def listening(self):
        return {self.settings.listen: self.listener.fileno()}
    def serve(self):
        self.listener.start()
    def connection(self, stream):
        serve(stream, self.answer, HttpLimits())
    def answer(self, exchange):
        if exchange.head.target == b"/slow":
            self.ctx.log.info("slow began")
            while not self.go.exists():
                time.sleep(0.01)
        if exchange.head.target == b"/block":
            gevent.monkey.get_original("time", "sleep")(3)
        pid = str(os.getpid()) if exchange.head.target == b"/pid" else ""
        exchange.respond(200, (), (pid or self.settings.text).encode())
    def reload(self, settings):
        self.settings = settings
    def drain(self, deadline_s):
        self.listener.stop()
        self.listener.drain(deadline_s)
    def close(self):
        if self.listener:
            self.listener.close()

@hookimpl
def zrokd_provide_roles():
    return [Desk]
"""


class Program:
    """One process and what it logged."""

    def __init__(self, file, environ=None, wrapper=(), **how):
        environ = {**os.environ, **(environ or {})}
        self.process = subprocess.Popen(
            [*wrapper, sys.executable, "-m", "zrokd", "run", str(file)],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environ, text=True, **how,
        )  # fmt: skip
        self.lines = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def pid(self):
        return self.process.pid

    def _read(self):
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    @property
    def log(self):
        return "".join(self.lines)

    def wait_for(self, pattern, timeout_s=20):
        """The first match of `pattern` in the log."""
        with self._changed:
            found = self._changed.wait_for(lambda: re.search(pattern, self.log), timeout_s)
        assert found, f"no {pattern!r} in: {self.log}"
        return found

    def signal(self, number):
        self.process.send_signal(number)

    def ended(self, timeout_s=20):
        """Its exit code."""
        code = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        return code

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.ended()
        self.process.stderr.close()


@pytest.fixture
def configuration(tmp_path):
    """configuration(text=..., port=...): writes the file and gives its path."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/desk.py").write_text(textwrap.dedent(ROLE))

    def write(more="", *, port=0, text="hello", workers=1):
        file = tmp_path / "zrokd.yml"
        file.write_text(
            textwrap.dedent(f"""\
            version: 1
            state_dir: {tmp_path}/state
            log: {{format: text}}
            plugin_path: [plugins]
            drain: 10s
            roles:
              desk: {{listen: "127.0.0.1:{port}", text: {text}, workers: {workers}}}
            """)
            + textwrap.dedent(more)
        )
        return file

    return write


@pytest.fixture
def program():
    """program(file, ...): a running Program, killed at the end."""
    made = []

    def start(*args, **kwargs):
        made.append(Program(*args, **kwargs))
        return made[-1]

    yield start
    for one in made:
        one.end()


class Manager:
    """The service manager's notification socket."""

    def __init__(self, path):
        self.path = str(path)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(self.path)
        self.told = []

    def next(self, timeout_s=20):
        """The next message, as its lines."""
        self._sock.settimeout(timeout_s)
        self.told.append(self._sock.recv(4096).decode().split("\n"))
        return self.told[-1]

    def wait_for(self, first, timeout_s=20):
        """The next message that begins so; watchdog messages between are kept in `told`."""
        until = time.monotonic() + timeout_s
        while (lines := self.next(max(0.01, until - time.monotonic())))[0] != first:
            continue
        return lines

    def close(self):
        self._sock.close()


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


@pytest.fixture
def port():
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


@pytest.fixture
def ask():
    """ask(port, path): the body of the answer."""

    def get(port, path="/", timeout_s=20):
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: sock.recv(65536), b"")).partition(b"\r\n\r\n")[2].decode()

    return get


UNITS = Path(__file__).parents[2] / "systemd"
