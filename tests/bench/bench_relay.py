"""Bytes a second through a relay on loopback, and the CPU they cost: `python tests/bench/bench_relay.py [MiB]`.

Source, relay and sink run in a process each. Two ways are measured: as the daemon works (copy, then splice), and
copying only, as it must where no kernel socket stands behind a stream.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import logging  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

import gevent  # noqa: E402
from gevent.pool import Group  # noqa: E402

from tests.bench.kit import cpu_s, row  # noqa: E402
from zrokd.contracts.overlay import Stream  # noqa: E402
from zrokd.model.units import Address  # noqa: E402
from zrokd.net.listener import Listener  # noqa: E402
from zrokd.net.listening import listen  # noqa: E402
from zrokd.net.pipes import PIPES, PipePool  # noqa: E402
from zrokd.net.relay import relay  # noqa: E402
from zrokd.net.stream import connect  # noqa: E402

STREAMS = 4
BLOCK = bytes(1 << 20)


def sink(stream: Stream) -> None:
    """Read everything, then say so."""
    buffer = memoryview(bytearray(1 << 20))
    while stream.recv_into(buffer):
        pass
    stream.send(b"done")


def relay_to(address: Address, pipes: PipePool):
    """A handler that relays to `address`."""

    def handle(stream: Stream) -> None:
        target = connect(address, 5)
        relay(stream, target, idle_s=60, pipes=pipes)
        target.close()

    return handle


def in_child(handle) -> tuple[int, Address]:
    """Run a listener in a process of its own; its pid and address."""
    sock = listen(Address("127.0.0.1", 0))
    address = Address(*sock.getsockname())
    pid = gevent.os.fork()
    if pid:
        sock.close()
        return pid, address
    Listener(sock, handle, log=logging.getLogger("bench"), name="bench").start()
    gevent.get_hub().join()
    os._exit(0)


def push(address: Address, blocks: int) -> None:
    """Send so many MiB and wait until they arrived."""
    stream = connect(address, 5)
    for _ in range(blocks):
        stream.send(BLOCK)
    stream.send_eof()
    assert stream.recv(10, 60) == b"done"
    stream.close()


def measure(name: str, pipes: PipePool, sink_address: Address, mib: int) -> None:
    """Print one line."""
    pid, address = in_child(relay_to(sink_address, pipes))
    os.sched_setaffinity(pid, {0})
    try:
        push(address, 16)
        before, since = cpu_s(pid), time.monotonic()
        group = Group()
        for _ in range(STREAMS):
            group.spawn(push, address, mib // STREAMS)
        group.join()
        took, used = time.monotonic() - since, cpu_s(pid) - before
        each_s = used / mib * 1024
        goals = [("2 GB/s a core", each_s <= 1.024**3 / 2)] if name == "splice" else []
        row(f"{STREAMS} streams", name, f"{mib / 1024 / took:.2f} GiB/s, {each_s:.2f} CPU-s/GiB", *goals)
    finally:
        os.kill(pid, signal.SIGTERM)


def main() -> None:
    """Measure both ways."""
    mib = int(sys.argv[1]) if len(sys.argv) > 1 else 4096
    sink_pid, sink_address = in_child(sink)
    others = {1} if (os.cpu_count() or 1) > 1 else {0}
    os.sched_setaffinity(0, others)
    os.sched_setaffinity(sink_pid, others)
    try:
        measure("splice", PIPES, sink_address, mib)
        measure("copy", PipePool(limit=0), sink_address, mib)
    finally:
        os.kill(sink_pid, signal.SIGTERM)


if __name__ == "__main__":
    main()
