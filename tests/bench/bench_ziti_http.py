"""HTTP through frontend, OpenZiti and backend on loopback: `python tests/bench/bench_ziti_http.py [seconds] [MiB]`.

The workload that zrok v2 was measured with: 1 KiB answers over 32 kept connections, then bulk, then what the daemons
hold. Target is nginx, load is wrk (`apt install nginx-light wrk`); both run beside what they measure. CPU is user and
system time of each process.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import base64  # noqa: E402
import contextlib  # noqa: E402
import hashlib  # noqa: E402
import itertools  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

import gevent  # noqa: E402
from gevent.server import StreamServer  # noqa: E402

from tests.bench.kit import (  # noqa: E402
    BROWSER,
    bulk,
    head,
    loaded,
    many,
    measured,
    memory_mib,
    need,
    origin,
    row,
    used,
    wrk,
)
from tests.ziti.conftest import overlays  # noqa: E402
from tests.ziti.daemons import HOST, Daemons  # noqa: E402
from tests.ziti.network import ZitiNetwork  # noqa: E402
from tests.ziti.places import Loopback  # noqa: E402

IDLE = 800  # a share takes a thousand visitors at once
SETTLES_S = 6.0  # every five seconds what was freed is given back to the system
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # Source: RFC 6455 1.3
_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
_SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


class Circuits:
    """Counts the circuits that come to be, by asking the controller again and again."""

    def __init__(self, network: ZitiNetwork) -> None:
        self._network, self._seen, self._ended = network, set[str](), threading.Event()
        self._seen |= network.circuits()

    def __enter__(self) -> Circuits:
        self.before = len(self._seen)
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.made = len(self._seen | self._network.circuits()) - self.before

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            self._seen |= self._network.circuits()


def small(three: Daemons, pids: dict[str, int], seconds: int, name: str, headers: dict[str, str]) -> None:
    """Print a row about small answers."""
    wrk(three.port, HOST, 2, headers)
    before = measured(pids)
    with Circuits(three.network) as circuits:
        got = wrk(three.port, HOST, seconds, headers)
    count = got.requests
    row(
        name,
        "over Ziti",
        f"{got.rate:.0f}/s, p50 {got.p50:.1f}, p99 {got.p99:.1f} ms, {circuits.made} dials",
        ("no errors", not got.errors),
        ("p99 3x p50", got.p99 <= 3 * got.p50),
        beside=f"µs CPU each: {used(pids, before, count / 1e6)}",
    )


def holds(when: str, pids: dict[str, int]) -> None:
    """Print what each process holds."""
    row(f"MiB held {when}", "over Ziti", ", ".join(f"{name} {memory_mib(pid):.0f}" for name, pid in pids.items()))


def silent(sock: Any, _address: object) -> None:
    """A target that agrees to a websocket and says no more."""
    key = b""
    with sock, sock.makefile("rb") as file:
        for line in itertools.takewhile(bytes.strip, file):
            if line.lower().startswith(b"sec-websocket-key:"):
                key = line.split()[1]
        accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        sock.sendall(_SWITCHED + b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n")
        file.read()


def idle(three: Daemons, pids: dict[str, int]) -> None:
    """Print what each daemon holds for a websocket on which nothing is said."""
    host = HOST.replace("app", "idle", 1)

    def visited() -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", three.port), 30)
        sock.sendall(head(host, "/", _UPGRADE))
        assert sock.recv(1024).startswith(b"HTTP/1.1 101 ")
        return sock

    def is_there() -> bool:
        with contextlib.suppress(OSError, AssertionError), visited():
            return True
        return False

    server = StreamServer(("127.0.0.1", 0), silent)
    server.start()
    three.add_share(f"{{name: idle, target: 'http://127.0.0.1:{server.server_port}'}}")
    three.wait_for(is_there, 30.0)
    with many(64, visited):
        before = {name: memory_mib(pid) for name, pid in pids.items()}
        with many(IDLE, visited):
            gevent.sleep(2.0)
            each = {name: (memory_mib(pid) - before[name]) * 1024 / IDLE for name, pid in pids.items()}
    server.stop()
    figures = ", ".join(f"{name} {each[name]:.1f}" for name in ("frontend", "backend"))
    goals = [(f"{name} 20 KiB", each[name] <= 20) for name in ("frontend", "backend")]
    row(f"{IDLE} idle websockets", "over Ziti", f"KiB each: {figures}", *goals, beside=f"router {each['router']:.1f}")


def first_byte_ms(three: Daemons, name: str) -> float:
    """From the word to the backend that a further share is wanted to the first answer through it."""
    host = HOST.replace("app", name, 1)
    began = time.monotonic()
    three.add_share(f"{{name: {name}, target: {three.target.url}}}")
    while three.status(host) != 200:
        time.sleep(0.002)
    return (time.monotonic() - began) * 1000


def main() -> None:
    """Measure all."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    mib = int(sys.argv[2]) if len(sys.argv) > 2 else 256
    need("nginx", "wrk")
    with contextlib.ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        (folder / "origin").mkdir()
        folder.chmod(0o755)
        network = ends.enter_context(ZitiNetwork(folder / "network"))
        target: Any = ends.enter_context(origin(folder / "origin", mib))
        three = Daemons(folder, Loopback(), overlays(network), target)
        ends.callback(three.close)
        three.network = network
        three.start()
        pids = {name: process.pid for name, process in three.processes.items()}
        pids |= {"router": network.router.pid, "ziti": network.controller.pid}
        holds("at the start", pids)
        print(loaded())
        small(three, pids, seconds, "1 KiB, small heads", {})
        small(three, pids, seconds, "1 KiB, browser heads", BROWSER)
        holds("after these", pids)
        for connections in (1, 8):
            before = measured(pids)
            rate = bulk(three.port, HOST, mib, connections)
            each = connections * mib / 1024
            beside = f"CPU-s/GiB: {used(pids, before, each)}"
            row(f"bulk, {connections} at once", "over Ziti", f"{rate:.0f} MiB/s", beside=beside)
        gevent.sleep(SETTLES_S)
        holds("after bulk", pids)
        idle(three, pids)
        took = sorted(first_byte_ms(three, f"more{number}") for number in range(9))
        figures = f"median {took[4]:.0f}, most {took[8]:.0f} ms after the reload"
        row("first byte of a new share", "over Ziti", figures)


if __name__ == "__main__":
    main()
