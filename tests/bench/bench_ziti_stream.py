"""Streams over a real OpenZiti on loopback, encrypted: `python tests/bench/bench_ziti_stream.py [rounds] [MiB]`.

Dialler, host, router and controller run in a process each. Measured: exchanges of 1 KiB over 64 streams, one stream of
bulk each way, eight at once, and what an idle stream holds. Each figure is the median of the rounds; CPU is user and
system time of the process.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import gc  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import closing, contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

import gevent  # noqa: E402
from gevent.pool import Group  # noqa: E402
from zrokd_plugins.overlay_ziti import ZitiOverlay  # noqa: E402

from tests.bench.kit import cpu_s, memory_mib, row  # noqa: E402
from tests.ziti.network import ZitiNetwork  # noqa: E402
from zrokd.contracts import Node, Stream  # noqa: E402
from zrokd.errors import StreamError  # noqa: E402
from zrokd.testing.lag import HubWatch  # noqa: E402
from zrokd.testing.plugin import bench  # noqa: E402

SERVICE = "bench"
STREAMS, EACH = 64, 200
BLOCK = os.urandom(1 << 20)
IDLE, CONNECTS = 1000, 20
WAIT_S = 60.0


def exactly(stream: Stream, buffer: memoryview, size: int) -> None:
    """Read so many bytes."""
    while size:
        count = stream.recv_into(buffer[:size], WAIT_S)
        assert count, "it ended early"
        size -= count


# -- host ---


def serve_one(stream: Stream) -> None:
    """The first byte says what: e echo, s sink, g source; then how many MiB, 8 digits."""
    asked = memoryview(bytearray(9))
    with closing(stream):
        exactly(stream, asked, 9)
        what, mib = bytes(asked[:1]), int(bytes(asked[1:]))
        if what == b"e":
            while data := stream.recv(1 << 20, None):
                stream.send(data, WAIT_S)
        elif what == b"s":
            buffer = memoryview(bytearray(1 << 20))
            while stream.recv_into(buffer, WAIT_S):
                pass
            stream.send(b"done", WAIT_S)
        else:
            for _ in range(mib):
                stream.send(BLOCK, WAIT_S)
            stream.send_eof()


def host(document: Path) -> None:
    """Serve until killed."""

    def one(stream: Stream) -> None:
        try:
            serve_one(stream)
        except StreamError as error:
            logging.getLogger("bench").debug("%s", error)

    group = Group()
    with node_of(document) as node, closing(node.bind(SERVICE)) as listener:
        print("bound", flush=True)
        while True:
            group.spawn(one, listener.accept()[0])


# -- dialler ---


@contextmanager
def node_of(document: Path) -> Iterator[Node]:
    """A handle for an identity."""
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder)) as place:
        overlay = place.open(ZitiOverlay)
        with closing(overlay.node(document.read_text())) as node:
            yield node


def ask(node: Node, what: bytes, mib: int = 0) -> Stream:
    """A stream on which the host does `what`."""
    stream = node.dial(SERVICE, timeout_s=WAIT_S)
    stream.send(what + b"%08d" % mib, WAIT_S)
    return stream


def exchanges(node: Node) -> int:
    """1 KiB there and back, again and again, on all streams at once; how many."""

    def one(stream: Stream) -> None:
        buffer = memoryview(bytearray(1024))
        for _ in range(EACH):
            stream.send(BLOCK[:1024], WAIT_S)
            exactly(stream, buffer, 1024)

    streams = [ask(node, b"e") for _ in range(STREAMS)]
    gevent.joinall([gevent.spawn(one, stream) for stream in streams], raise_error=True)
    for stream in streams:
        stream.close()
    return STREAMS * EACH


def push(node: Node, mib: int) -> int:
    """Bulk to the host; how many MiB."""
    with closing(ask(node, b"s")) as stream:
        for _ in range(mib):
            stream.send(BLOCK, WAIT_S)
        stream.send_eof()
        assert stream.recv(10, WAIT_S) == b"done"
    return mib


def pull(node: Node, mib: int) -> int:
    """Bulk from the host; how many MiB."""
    buffer, size = memoryview(bytearray(1 << 20)), 0
    with closing(ask(node, b"g", mib)) as stream:
        while count := stream.recv_into(buffer, WAIT_S):
            size += count
    assert size == mib << 20
    return mib


def pull_eight(node: Node, mib: int) -> int:
    """The same on eight streams at once."""
    gevent.joinall([gevent.spawn(pull, node, mib // 8) for _ in range(8)], raise_error=True)
    return mib // 8 * 8


def idle_kib(node: Node, pids: dict[str, int]) -> dict[str, float]:
    """What a stream at rest holds in each process, in KiB."""
    gc.collect()
    before = {who: memory_mib(pid) for who, pid in pids.items()}
    streams = [ask(node, b"e") for _ in range(IDLE)]
    gevent.sleep(2.0)
    gc.collect()
    grown = {who: (memory_mib(pid) - before[who]) * 1024 / IDLE for who, pid in pids.items()}
    for stream in streams:
        stream.close()
    return grown


# -- measuring ---


def measure(name: str, unit: str, pids: dict[str, int], rounds: int, work: Callable[[], int]) -> None:
    """Print a row: how much a second, and the CPU of each process."""
    factor, per = (1e6, "µs each") if unit == "/s" else (1024.0, "CPU-s/GiB")
    rates, used = [], []
    for _ in range(rounds):
        before, since = {who: cpu_s(pid) for who, pid in pids.items()}, time.monotonic()
        amount = work()
        rates.append(amount / (time.monotonic() - since))
        used.append({who: (cpu_s(pid) - before[who]) / amount * factor for who, pid in pids.items()})
    cpu = ", ".join(
        f"{who} {statistics.median(each[who] for each in used):.{0 if unit == '/s' else 1}f}" for who in pids
    )
    row(name, "streams of Ziti", f"{statistics.median(rates):.0f} {unit}", beside=f"{per}: {cpu}")


def main() -> None:
    """Measure all."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    mib = int(sys.argv[2]) if len(sys.argv) > 2 else 256
    with tempfile.TemporaryDirectory() as folder, ZitiNetwork(Path(folder) / "network") as network:
        network.service(SERVICE)
        documents = {name: Path(folder) / f"{name}.json" for name in ("visitor", "host")}
        for name, path in documents.items():
            path.write_text(network.identity(name))
        serving = subprocess.Popen(
            [sys.executable, __file__, "host", str(documents["host"])], stdout=subprocess.PIPE, text=True
        )
        try:
            assert serving.stdout is not None
            assert serving.stdout.readline() == "bound\n"
            pids = {
                "dialler": os.getpid(),
                "host": serving.pid,
                "router": network.router.pid,
                "controller": network.controller.pid,
            }
            with node_of(documents["visitor"]) as node:
                exchanges(node)
                measure("exchanges, 64 streams", "/s", pids, rounds, lambda: exchanges(node))
                measure("dial, word, close; one by one", "/s", pids, rounds, lambda: dials(node))
                measure("bulk to the host", "MiB/s", pids, rounds, lambda: push(node, mib))
                measure("bulk from the host", "MiB/s", pids, rounds, lambda: pull(node, mib))
                measure("bulk from the host, 8 at once", "MiB/s", pids, rounds, lambda: pull_eight(node, mib))
                held = idle_kib(node, pids)
                figures = ", ".join(f"{who} {held[who]:.1f}" for who in pids)
                goals = [(f"{who} 20 KiB", held[who] <= 20) for who in ("dialler", "host")]
                row(f"{IDLE} idle streams", "streams of Ziti", f"KiB each: {figures}", *goals)
            stall = hub_stall_ms(documents["visitor"])
            goal = "20 ms", stall <= 20
            row(f"{CONNECTS} hosts connect", "streams of Ziti", f"the hub stands for {stall:.0f} ms at most", goal)
        finally:
            serving.kill()
            serving.communicate()


def hub_stall_ms(document: Path) -> float:
    """The longest that the hub stood still while so many hosts connect and dial, one after the other, in ms."""
    with HubWatch().watch() as seen:
        for _ in range(CONNECTS):
            with node_of(document) as node, closing(ask(node, b"e")) as stream:
                stream.send(b"x", WAIT_S)
                stream.recv(1, WAIT_S)
    return seen.worst_s * 1000


def dials(node: Node) -> int:
    """Streams opened and closed one after the other; how many."""
    buffer = memoryview(bytearray(1))
    for _ in range(200):
        with closing(ask(node, b"e")) as stream:
            stream.send(b"x", WAIT_S)
            exactly(stream, buffer, 1)
    return 200


if __name__ == "__main__":
    host(Path(sys.argv[2])) if sys.argv[1:2] == ["host"] else main()
