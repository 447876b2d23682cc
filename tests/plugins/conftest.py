"""A small context for plugins under test: real greenlets, threads, files and time; hooks are recorded."""

import contextlib
import logging
import os
import socket
import sys
import threading
import time
from types import SimpleNamespace

import gevent
import gevent.pool
import pytest
from click.testing import CliRunner

from zrokd.cli.main import run_program
from zrokd.errors import StreamClosed
from zrokd.net.stream import SocketStream, pair


class Recorder:
    """Every hook call as (name, arguments)."""

    def __init__(self):
        self.calls = []
        self._changed = threading.Condition()

    def __getattr__(self, name):
        if not name.startswith("on_"):
            raise AttributeError(name)

        def note(*args, **kwargs):
            with self._changed:
                self.calls.append((name, args[0] if len(args) == 1 and not kwargs else (*args, *kwargs.values())))
                self._changed.notify_all()

        return note

    @staticmethod
    def hears(_hook):
        return True

    def of(self, name):
        return [arguments for called, arguments in self.calls if called == name]

    def wait(self, name, count=1, timeout_s=10):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(name)) >= count, timeout_s), (name, self.calls)
        return self.of(name)


@pytest.fixture
def typed():
    """typed(*words): (exit code, standard output, standard error, both) of a command line of zrokd."""

    def run(*words, env=None, given=None):
        with CliRunner().isolation(input=given, env=env) as outputs:
            code = run_program(list(words))
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            return code, *(output.getvalue().decode() for output in outputs)

    return run


class GreenTask:
    def __init__(self, greenlet):
        self._greenlet = greenlet

    def kill(self):
        self._greenlet.kill()

    def join(self, timeout_s=None):
        self._greenlet.join(timeout_s)
        return self._greenlet.ready()

    @property
    def done(self):
        return self._greenlet.ready()


class SmallContext:
    def __init__(self, state_dir):
        self.state_dir = state_dir
        self.log = logging.getLogger("test.plugins")
        self.hooks = Recorder()
        self.clock = SimpleNamespace(monotonic=time.monotonic, now_ms=lambda: int(time.time() * 1000))
        self.overlay = None
        self.offloaded = 0
        self.built = []
        self.failures = []
        self._group = gevent.pool.Group()

    def spawn(self, function, *args, name=""):
        return GreenTask(self._group.spawn(function, *args))

    def offload(self, function, *args, **kwargs):
        self.offloaded += 1
        return gevent.get_hub().threadpool.apply(function, args, kwargs)

    def fail(self, error):
        self.failures.append(error)

    def build(self, use, name=""):
        component = use.component(use.settings, self)
        component.open()
        self.built.append(component)
        return component

    def release(self, component):
        if component in self.built:
            self.built.remove(component)
            component.close()

    def shut(self):
        for component in list(self.built):
            self.release(component)
        self._group.kill()


@pytest.fixture
def small_ctx(tmp_path):
    state_dir = tmp_path / "state"
    state_dir.mkdir(mode=0o700)
    context = SmallContext(state_dir)
    yield context
    context.shut()


@pytest.fixture
def patient():
    """Wait for a condition that no event tells."""

    def until(condition, timeout_s=10):
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {condition}"
            time.sleep(0.01)
        return found

    return until


@pytest.fixture
def descriptors():
    """How many descriptors this process holds."""

    def count():
        return len(os.listdir("/proc/self/fd"))

    return count


class Visitor:
    """One connection to a mode, as raw bytes."""

    def __init__(self, mode, caller):
        self.near, far = pair()
        self._done = gevent.spawn(self._serve, mode, far, caller)
        self.data = b""

    def _serve(self, mode, far, caller):
        try:
            mode.serve(far, caller)
        except StreamClosed:
            pass
        finally:
            far.close()

    def send(self, data):
        self.near.send(data, 10)

    def more(self):
        piece = self.near.recv(65536, 10)
        self.data += piece
        return piece

    def until(self, mark):
        while mark not in self.data:
            assert self.more(), self.data
        return self.data

    def answer(self):
        """(status, fields, body) of one answer with Content-Length or none."""
        head, _, self.data = self.until(b"\r\n\r\n").partition(b"\r\n\r\n")
        line, *rows = head.decode("latin-1").split("\r\n")
        fields = {key.lower(): value.strip() for key, _, value in (row.partition(":") for row in rows)}
        length = int(fields.get("content-length", 0))
        while len(self.data) < length:
            assert self.more(), self.data
        body, self.data = self.data[:length], self.data[length:]
        return int(line.split()[1]), fields, body

    def ask(self, text):
        self.send(text if isinstance(text, bytes) else text.encode())
        return self.answer()

    def get(self, target, *rows, method="GET"):
        head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a.example", *rows, "", ""])
        self.send(head.encode("latin-1"))
        if method == "HEAD":
            head, _, self.data = self.until(b"\r\n\r\n").partition(b"\r\n\r\n")
            line, *rows = head.decode("latin-1").split("\r\n")
            return int(line.split()[1]), {k.lower(): v.strip() for k, _, v in (r.partition(":") for r in rows)}, b""
        return self.answer()

    def ended(self):
        """Whatever still comes until the end."""
        while self.more():
            pass
        return self.data

    def close(self):
        self.near.close()
        self._done.join(10)
        assert self._done.ready()


@pytest.fixture
def visit():
    """visit(mode): a Visitor, closed at the end."""
    from zrokd.contracts import Caller

    visitors = []

    def make(mode):
        visitors.append(Visitor(mode, Caller(identity="uid:0", address="pid:1")))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.close()


@pytest.fixture
def origin():
    """origin(handle): an address; each connection to it gets handle(SocketStream) in a greenlet."""
    listeners, greenlets = [], gevent.pool.Group()

    def accept(sock, handle):
        while True:
            try:
                client, _ = sock.accept()
            except OSError:
                return
            greenlets.spawn(run, handle, SocketStream(client))

    def run(handle, stream):
        try:
            handle(stream)
        finally:
            stream.close()

    def start(handle, port=0):
        sock = socket.create_server(("127.0.0.1", port))
        listeners.append(sock)
        greenlets.spawn(accept, sock, handle)
        return sock.getsockname()[1]

    yield start
    for sock in listeners:
        sock.close()
    greenlets.kill()


@pytest.fixture
def crowded_port():
    """A port whose connections nobody accepts, with its backlog full: who comes now is neither taken nor refused."""
    with contextlib.ExitStack() as ends:
        server = ends.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            before_us = ends.enter_context(socket.socket())
            before_us.setblocking(False)
            before_us.connect_ex(server.getsockname())
        yield server.getsockname()[1]
