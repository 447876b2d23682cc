"""What zrokd holds and how fair it is: `python tests/bench/bench_bounded.py [PART...]`, see FIGURES.

One daemon that is everything, on the overlay local, before a small web server of its own. Memory is the daemon's RSS,
times are a visitor's. Needs some 20,000 descriptors (`ulimit -Hn`).
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import contextlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402
from gevent.server import StreamServer  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.kit import daemon, loaded, many, memory_mib, roles, row  # noqa: E402
from tests.flow.conftest import free_ports  # noqa: E402
from tests.ziti.daemons import ZONE  # noqa: E402

KIB, MIB, GB = 1024, 1024 * 1024, 10**9
IDLE, SLOW, STALLED, EAGER, ATTACKERS = 10_000, 500, 100, 100, 5_000
RELOADS, KEPT, NEW = 20, 50, 10
_PIECE = b"x" * 65536
_PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + b"x" * 1024
_ONE = "zrokd, one daemon"
_LIMITS = {"max_connections": 12_000, "share_requests": 1000, "write_stall": "300s"}


# -- what is shared ---


def serve_target() -> None:
    """A page at /, N bytes at /bytes/N, at /events the time, sixty times a second; /sink takes 10 kB a second."""
    server = StreamServer(("127.0.0.1", 0), _answer)
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()


def _answer(sock: socket.socket, _address: object) -> None:
    file = sock.makefile("rb")
    with sock, file, contextlib.suppress(OSError):
        while line := file.readline():
            while file.readline() not in (b"\r\n", b""):
                pass
            path = line.split(b" ")[1]
            if path.startswith(b"/bytes/"):
                _send_bytes(sock, int(path.rpartition(b"/")[2]))
            elif path == b"/events":
                _send_events(sock)
            elif path == b"/sink":
                _take_slowly(sock)
            else:
                sock.sendall(_PAGE)


def _send_bytes(sock: socket.socket, size: int) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    while size:
        sock.sendall(_PIECE[: min(size, len(_PIECE))])
        size -= min(size, len(_PIECE))


def _send_events(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    while True:
        sock.sendall(b"data: %d\n\n" % time.monotonic_ns())
        gevent.sleep(1 / 60)


def _take_slowly(sock: socket.socket) -> None:
    while sock.recv(10_000):
        gevent.sleep(1)


# -- what is measured ---


class Site:
    """A running daemon with the shares `one` and `two`."""

    def __init__(self, port: int, pid: int, file: Path) -> None:
        self.port, self.pid, self.file = port, pid, file

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 30)

    def ask(self, sock: socket.socket, share: str, path: str = "/", fields: str = "") -> None:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {share}.{ZONE}\r\n{fields}\r\n".encode())

    def page(self, sock: socket.socket, share: str = "two") -> bool:
        """Whether a small page came whole."""
        self.ask(sock, share)
        got = b""
        while not got.endswith(b"x" * 1024):
            piece = sock.recv(65536)
            got += piece
            if not piece or not got.startswith(b"HTTP/1.1 200 "):
                return False
        return True

    def times_ms(self, count: int, fresh: bool = False) -> list[float]:
        """How long so many pages of share `two` took, one after the other; sorted."""
        took, sock = [], self.connect()
        for _ in range(count):
            began = time.monotonic()
            if fresh:
                sock.close()
                sock = self.connect()
            assert self.page(sock)
            took.append((time.monotonic() - began) * 1000)
            gevent.sleep(0.002)
        sock.close()
        return sorted(took)

    @property
    def memory(self) -> float:
        return memory_mib(self.pid)


def p(times: list[float], share: float) -> float:
    return times[min(int(len(times) * share), len(times) - 1)]


def idle(site: Site) -> None:
    """Memory of each of many kept connections without a request."""

    def visited() -> socket.socket:
        sock = site.connect()
        assert site.page(sock)
        return sock

    with many(64, visited):
        before = site.memory
    with many(IDLE, visited):
        gevent.sleep(1)
        each = (site.memory - before) * KIB / IDLE
        times = site.times_ms(300)
    figures = f"{each:.1f} KiB each, p99 of others {p(times, 0.99):.1f} ms"
    row(f"{IDLE} idle connections", _ONE, figures, ("16 KiB", each <= 16))


def fair(site: Site) -> None:
    """Another share's times while one has many slow readers."""
    before, stop = site.times_ms(900), gevent.event.Event()

    def slow() -> socket.socket:
        sock = site.connect()
        site.ask(sock, "one", f"/bytes/{GB}")
        gevent.spawn(_read_slowly, sock, stop)
        return sock

    with many(SLOW, slow):
        gevent.sleep(3)
        loaded_times = site.times_ms(900)
        stop.set()
    a, b = p(before, 0.99), p(loaded_times, 0.99)
    figures = f"p99 of another share {a:.1f} -> {b:.1f} ms ({b / a:.2f}x)"
    halves = f"p50 {p(before, 0.5):.1f} -> {p(loaded_times, 0.5):.1f} ms"
    row(f"{SLOW} slow readers", _ONE, figures, ("2x", b <= 2 * a), beside=halves)


def _read_slowly(sock: socket.socket, stop: gevent.event.Event) -> None:
    with contextlib.suppress(OSError):
        while not stop.wait(1.0):
            sock.recv(10_000)


def stalled(site: Site) -> None:
    """Memory of each of many readers that take nothing, of a body of a gigabyte each."""

    def deaf() -> socket.socket:
        sock = site.connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        site.ask(sock, "one", f"/bytes/{GB}")
        return sock

    each, figures = _held(site, STALLED, deaf, 3)
    row(f"{STALLED} stalled readers", _ONE, figures, ("256 KiB", each <= 256))


def uploads(site: Site) -> None:
    """Memory of each of many uploads that come as fast as they can, to a target that reads slowly."""

    def eager() -> socket.socket:
        sock = site.connect()
        sock.sendall(f"POST /sink HTTP/1.1\r\nHost: one.{ZONE}\r\nContent-Length: {GB}\r\n\r\n".encode())
        gevent.spawn(_push, sock)
        return sock

    each, figures = _held(site, EAGER, eager, 5)
    row(f"{EAGER} uploads held back", _ONE, figures, ("1 MiB", each <= KIB))


def _held(site: Site, count: int, make: Callable[[], socket.socket], settled_s: float) -> tuple[float, str]:
    """KiB that each of `count` connections holds once they stand, and that with what another share meets meanwhile."""
    site.times_ms(100)
    before = site.memory
    with many(count, make):
        gevent.sleep(settled_s)
        each, others = (site.memory - before) * KIB / count, site.times_ms(600)
    return each, f"{each:.0f} KiB each for both roles, p99 of another share {p(others, 0.99):.1f} ms"


def _push(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            sock.sendall(_PIECE)


def huge(site: Site) -> None:
    """Memory while five gigabytes go by."""
    sock, got, most = site.connect(), 0, 0.0
    site.ask(sock, "one", f"/bytes/{5 * GB}", "Connection: close\r\n")
    buffer = memoryview(bytearray(MIB))
    before, began = site.memory, time.monotonic()
    while count := sock.recv_into(buffer):
        if (got >> 28) != ((got + count) >> 28):
            most = max(most, site.memory)
        got += count
    took_s = time.monotonic() - began
    assert got > 5 * GB
    figures = f"{got / MIB / took_s:.0f} MiB/s, memory {before:.0f} -> at most {most:.0f} MiB"
    row("5 GB down", _ONE, figures, ("1 MiB more", most - before <= 1))


def events(site: Site) -> None:
    """How long an event takes from the target to the visitor."""
    sock, took, rest = site.connect(), [], b""
    site.ask(sock, "one", "/events")
    while len(took) < 600:
        *lines, rest = (rest + sock.recv(65536)).split(b"\n")
        now = time.monotonic_ns()
        took += [(now - int(line[6:])) / 1e6 for line in lines if line.startswith(b"data: ")]
    took.sort()
    sock.close()
    slow = p(took, 0.99)
    figures = f"p50 {p(took, 0.5):.2f} ms, p99 {slow:.2f} ms, slowest {took[-1]:.2f} ms"
    row("events", _ONE, figures, ("p99 20 ms", slow <= 20))


def slowloris(site: Site) -> None:
    """Good visitors while many connections send heads byte by byte."""
    before, gone = site.times_ms(300, fresh=True), 0

    def attacker() -> socket.socket:
        sock = site.connect()
        sock.sendall(b"GET / HTTP/1.1\r\nHost: ")
        return sock

    with many(ATTACKERS, attacker) as attackers:
        stop = gevent.event.Event()
        dripping = gevent.spawn(_drip, attackers, stop)
        during = site.times_ms(1500, fresh=True)
        stop.set()
        dripping.get()
        gevent.sleep(11)
        gone = sum(_is_gone(sock) for sock in attackers)
    a, b = p(before, 0.99), p(during, 0.99)
    goals = ("2x", b <= 2 * a), ("all gone", gone == ATTACKERS)
    figures = f"{len(during)} good visits, all served, p99 {a:.1f} -> {b:.1f} ms; {gone} gone after 11 s"
    row(f"{ATTACKERS} slow heads", _ONE, figures, *goals)


def _drip(attackers: list[socket.socket], stop: gevent.event.Event) -> None:
    while not stop.wait(1.0):
        for sock in attackers:
            with contextlib.suppress(OSError):
                sock.send(b"a")


def _is_gone(sock: socket.socket) -> bool:
    sock.settimeout(0.0)
    try:
        while sock.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def reloads(site: Site) -> None:
    """Requests that fail while limits change again and again: on kept connections, and on new ones."""
    stop, counts = gevent.event.Event(), {"served": 0, "failed": 0}
    visitors = [gevent.spawn(_ask_on, site, stop, counts, fresh) for fresh in [False] * KEPT + [True] * NEW]
    for number in range(RELOADS):
        gevent.sleep(0.5)
        configuration = json.loads(site.file.read_text())
        configuration["roles"]["frontend"]["limits"]["keep_alive_requests"] = 1000 + number
        site.file.write_text(json.dumps(configuration))
        os.kill(site.pid, signal.SIGHUP)
    gevent.sleep(0.5)
    stop.set()
    gevent.joinall(visitors)
    told = site.file.with_suffix(".log").read_text().count("reloaded: ")
    figures = f"{counts['failed']} of {counts['served'] + counts['failed']} requests failed"
    goals = ("none failed", not counts["failed"]), ("all reloaded", told == RELOADS)
    row(f"{told} reloads", _ONE, figures, *goals, beside=f"{KEPT} kept connections, {NEW} visitors with new ones")


def _ask_on(site: Site, stop: gevent.event.Event, counts: dict[str, int], fresh: bool) -> None:
    sock, left = None, 0
    while not stop.is_set():
        if sock is None:
            sock, left = site.connect(), 1 if fresh else 1000  # what the least keep_alive_requests allows
        try:
            good = site.page(sock)
        except OSError:
            good = False
        counts["served" if good else "failed"] += 1
        left -= 1
        if not (good and left):
            sock.close()
            sock = None
        gevent.sleep(0.02)


FIGURES = {each.__name__: each for each in (idle, fair, stalled, uploads, huge, events, slowloris, reloads)}


@contextlib.contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A daemon, answering."""
    api, port = free_ports(2)
    with subprocess.Popen([sys.executable, __file__, "target"], stdout=subprocess.PIPE, text=True) as target:
        assert target.stdout is not None
        at = f"http://127.0.0.1:{target.stdout.readline().strip()}"
        chosen = roles(port, api, {"one": at, "two": at}, limits=_LIMITS)
        try:
            with daemon(folder, "all", chosen) as pid:
                made = Site(port, pid, folder / "all.yml")
                _wait(made)
                yield made
        finally:
            target.terminate()


def _wait(made: Site) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError, AssertionError), contextlib.closing(made.connect()) as sock:
            if made.page(sock, "one") and made.page(sock, "two"):
                return
        time.sleep(0.1)
    raise SystemExit("it does not answer")


def main(names: list[str]) -> bool:
    """Those named, or all; whether one failed."""
    failed = False
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name in names or FIGURES:
        try:
            with tempfile.TemporaryDirectory(prefix="zrokd-bench-") as folder, site(Path(folder)) as made:
                print(loaded(), flush=True)
                FIGURES[name](made)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            row(name, _ONE, f"failed: {error or type(error).__name__}")
            failed = True
    return failed


if __name__ == "__main__":
    if sys.argv[1:] == ["target"]:
        serve_target()
    else:
        sys.exit(main(sys.argv[1:]))
