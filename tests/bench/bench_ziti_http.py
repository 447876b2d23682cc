"""HTTP through frontend, OpenZiti and backend on loopback: `python tests/bench/bench_ziti_http.py [seconds] [MiB]`.

The workload that zrok v2 was measured with: 1 KiB answers over 32 kept connections, then bulk, then what the daemons
hold. Target is nginx, load is wrk (`apt install nginx-light wrk`); both run beside what they measure. CPU is user and
system time of each process.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import contextlib  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.kit import BROWSER, bulk, loaded, measured, memory_mib, need, origin, row, used, wrk  # noqa: E402
from tests.ziti.conftest import overlays  # noqa: E402
from tests.ziti.daemons import HOST, Daemons  # noqa: E402
from tests.ziti.network import ZitiNetwork  # noqa: E402
from tests.ziti.places import Loopback  # noqa: E402


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
        holds("in the end", pids)
        took = sorted(first_byte_ms(three, f"more{number}") for number in range(9))
        figures = f"median {took[4]:.0f}, most {took[8]:.0f} ms after the reload"
        row("first byte of a new share", "over Ziti", figures)


if __name__ == "__main__":
    main()
