"""zrokd beside nginx, HAProxy and Go's ReverseProxy: `python tests/bench/bench_http.py [seconds] [MiB] [rounds]`.

Each proxy stands alone on core 0, before one nginx with a page of 1 KiB; load (wrk) and origin share core 1. zrokd once
as a frontend's pipeline alone (one hop, as the others), once as one daemon that is frontend and backend, once as three
daemons (two hops each), on the overlay local in both. Each figure is the median of the rounds, which go round robin
over the proxies. CPU is that of the proxy's whole process tree.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import contextlib  # noqa: E402
import os  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.kit import BROWSER, CONNECTIONS, bulk, loaded, need, origin, wrk  # noqa: E402
from tests.bench.proxies import OTHER_CORE, Proxy, proxies  # noqa: E402
from tests.ziti.daemons import HOST  # noqa: E402

# -- what is measured ---


def small(proxy: Proxy, what: str, seconds: int, headers: dict[str, str], connections: int = CONNECTIONS) -> None:
    """Note rate, p50, p99 and CPU a request."""
    before = proxy.cpu_s()
    load = wrk(proxy.port, HOST, seconds, headers, connections)
    assert not load.errors, f"{proxy.name}: {load.errors} errors"
    proxy.figures.setdefault(what, []).append(
        (load.rate, load.p50, load.p99, (proxy.cpu_s() - before) / load.requests * 1e6)
    )


def large(proxy: Proxy, what: str, mib: int, connections: int) -> None:
    """Note MiB/s and CPU a GiB."""
    before = proxy.cpu_s()
    rate = bulk(proxy.port, HOST, mib, connections)
    proxy.figures.setdefault(what, []).append((rate, (proxy.cpu_s() - before) / (connections * mib) * 1024))


def show(made: list[Proxy]) -> None:
    """One table a workload; the ratio is to the first proxy, of requests or bytes for the same CPU."""
    for what in made[0].figures:
        print(f"\n{what}")
        first = None
        for proxy in made:
            medians = [statistics.median(column) for column in zip(*proxy.figures[what], strict=True)]
            first = first or medians[-1]
            text = (
                f"{medians[0]:8.0f} /s  p50 {medians[1]:6.2f}  p99 {medians[2]:6.2f} ms  {medians[3]:6.1f} µs CPU each"
                if len(medians) == 4
                else f"{medians[0]:8.0f} MiB/s  {medians[1]:6.2f} CPU-s/GiB"
            )
            print(f"  {proxy.name:16} {text}  {first / medians[-1]:5.2f}x", flush=True)


def main() -> None:
    """Measure all."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    mib = int(sys.argv[2]) if len(sys.argv) > 2 else 512
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    need("nginx", "haproxy", "wrk", "go")
    with contextlib.ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        (folder / "origin").mkdir()
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(0, OTHER_CORE)
        target = ends.enter_context(origin(folder / "origin", mib))
        made = ends.enter_context(proxies(folder, target, sys.argv[4:]))
        print(loaded(), flush=True)
        for _ in range(rounds):
            for proxy in made:
                small(proxy, "1 KiB, small heads", seconds, {})
                small(proxy, "1 KiB, browser heads", seconds, BROWSER)
                small(proxy, "1 KiB, browser heads, one connection", seconds, BROWSER, 1)
                large(proxy, "bulk, one", mib, 1)
                large(proxy, "bulk, 8 at once", mib, 8)
        show(made)


if __name__ == "__main__":
    main()
