"""zrokd beside nginx, HAProxy and Go's ReverseProxy: `python tests/bench/bench_http.py [seconds] [MiB] [rounds]`.

Each proxy stands alone on core 0, before one nginx with pages of many sizes; load (wrk, and peers/load.go) and origin
share core 1. zrokd once as a frontend's pipeline alone (one hop, as the others), once as one daemon that is frontend
and backend, once as three daemons (two hops each), on the overlay local in both. Each figure is the median of the
rounds of one workload, which go round robin over the proxies. Of 0 seconds: bulk alone. CPU is that of the proxy's
whole process tree.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import contextlib  # noqa: E402
import os  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import kit  # noqa: E402
from tests.bench.kit import BROWSER, CONNECTIONS, Load  # noqa: E402
from tests.bench.proxies import OTHER_CORE, Proxy, proxies  # noqa: E402
from tests.flow.conftest import free_ports  # noqa: E402
from tests.ziti.daemons import HOST  # noqa: E402

_EACH_ANOTHER = Path(__file__).parent / "peers" / "each_another.lua"
_BROWSERS, _ANOTHER, _ALONE, _STEADY, _ECHO = (
    "1 KiB, browser heads",
    "the same, no two heads alike",
    "the same, one connection",
    "half the peak",
    "websocket echo",
)
_CLOSE, _BULK = {"Connection": "close"}, ("bulk, one", "bulk, 8 at once")
_WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
_SHOWN = {
    "rate": "{:.0f}/s",
    "p50": "p50 {:.2f}",
    "p99": "p99 {:.2f} ms",
    "cpu_us": "{:.1f} µs CPU each",
    "mib": "{:.0f} MiB/s",
    "gib_s": "{:.2f} CPU-s/GiB",
    "grown": "{:+.0f} MiB held",
}


# -- what is measured ---


def small(
    proxy: Proxy,
    what: str,
    seconds: int,
    fields: dict[str, str],
    path: str = "/",
    connections: int = CONNECTIONS,
    script: Path | None = None,
) -> None:
    """A closed loop of wrk."""
    before = proxy.cpu_s()
    note(proxy, what, before, kit.wrk(proxy.port, HOST, seconds, fields, connections, path, script))


def steady(proxy: Proxy, program: str, seconds: int) -> None:
    """Half the requests that browsers' heads reached in a closed loop, whenever their time comes."""
    rate = int(proxy.medians(_BROWSERS)["rate"] / 2)
    before = proxy.cpu_s()
    request = kit.head(HOST, "/", BROWSER)
    note(proxy, _STEADY, before, kit.go_load(program, "open", proxy.port, seconds, request, str(rate)))


def messages(proxy: Proxy, program: str, seconds: int) -> None:
    """64 bytes there and back, over and over."""
    before = proxy.cpu_s()
    request = kit.head(HOST, "/echo", _WEBSOCKET)
    note(proxy, _ECHO, before, kit.go_load(program, "echo", proxy.port, seconds, request))


def note(proxy: Proxy, what: str, before_s: float, load: Load) -> None:
    """Rate, latencies in ms, CPU each."""
    assert not load.errors, f"{proxy.name}, {what}: {load.errors} errors"
    cpu_us = {"cpu_us": (proxy.cpu_s() - before_s) / load.requests * 1e6} if proxy.pids() else {}
    proxy.note(what, rate=load.rate, p50=load.p50, p99=load.p99, **cpu_us)


def large(proxy: Proxy, what: str, mib: int, connections: int, path: str) -> None:
    """MiB/s, CPU a GiB, and by how much what it holds grew meanwhile."""
    for pid in proxy.pids():
        kit.forget_most(pid)
    before_s, held = proxy.cpu_s(), sum(kit.memory_mib(pid) for pid in proxy.pids())
    rate = kit.bulk(proxy.port, HOST, mib, connections, path)
    cost = {}
    if proxy.pids():
        grown = sum(kit.most_mib(pid) for pid in proxy.pids()) - held
        cost = {"gib_s": (proxy.cpu_s() - before_s) / (connections * mib) * 1024, "grown": grown}
    proxy.note(what, mib=rate, **cost)


def workloads(program: str, seconds: int, mib: int) -> dict[str, Callable[[Proxy], None]]:
    """How each is measured, in this order."""

    def pages(what: str, fields: dict[str, str], path: str = "/", **how: Any) -> Callable[[Proxy], None]:
        return lambda proxy: small(proxy, what, seconds, fields, path, **how)

    return {
        "1 KiB, small heads": pages("1 KiB, small heads", {}),
        _BROWSERS: pages(_BROWSERS, BROWSER),
        _ANOTHER: pages(_ANOTHER, BROWSER, script=_EACH_ANOTHER),
        _ALONE: pages(_ALONE, BROWSER, connections=1),
        "10 KB": pages("10 KB", BROWSER, "/10k"),
        "1 MB": pages("1 MB", BROWSER, "/1m"),
        "new connections": pages("new connections", BROWSER | _CLOSE),
        _STEADY: lambda proxy: steady(proxy, program, seconds),
        _ECHO: lambda proxy: messages(proxy, program, seconds),
        _BULK[0]: lambda proxy: large(proxy, _BULK[0], mib, 1, "/bulk"),
        _BULK[1]: lambda proxy: large(proxy, _BULK[1], mib // 8, 8, "/part"),
    }


def measure(what: str, once: Callable[[Proxy], None], made: list[Proxy], rounds: int) -> None:
    """One workload on all, by turns, and its rows. A relay that knows no HTTP is there for its bytes."""
    able = [proxy for proxy in made if what in _BULK or "io.Copy" not in proxy.name]
    for _ in range(rounds):
        for proxy in able:
            once(proxy)
    show(what, able)


# -- what is told of it ---


def show(what: str, made: list[Proxy]) -> None:
    """A row of a workload for each proxy."""
    of = {proxy.name: proxy.medians(what) for proxy in made}
    for name, mine in of.items():
        figures = ", ".join(_SHOWN[key].format(value) for key, value in mine.items())
        kit.row(what, name, figures, *judged(what, name, mine, of), beside="; ".join(beside(what, mine, of)))


def beside(what: str, mine: dict[str, float], of: dict[str, dict[str, float]]) -> Iterator[str]:
    """Work for the same CPU by nginx's, and what p99 and p50 tell."""
    for key in {"cpu_us", "gib_s"} & mine.keys() & of.get("nginx", {}).keys():
        yield f"{of['nginx'][key] / mine[key]:.2f}x nginx" if mine[key] else "too little to tell"
    if what == _ALONE and "direct" in of:
        yield f"{mine['p50'] - of['direct']['p50']:+.2f} ms"
    elif "p99" in mine:
        yield f"p99 {mine['p99'] / mine['p50']:.1f}x p50"


def judged(what: str, name: str, mine: dict[str, float], of: dict[str, dict[str, float]]) -> Iterator[tuple[str, bool]]:
    """What zrokd is to reach, and whether it does; nothing where a peer was left out."""
    if not name.startswith("zrokd") or not {"direct", "nginx", "go", "zrokd, one hop"} <= of.keys():
        return
    if what in _BULK:
        yield "2 GB/s a core, or io.Copy", mine["gib_s"] <= max(1.024**3 / 2, of["go, io.Copy"]["gib_s"])
        return
    if what == _BROWSERS and name == "zrokd, one hop":
        yield "100 µs", mine["cpu_us"] <= 100
        yield "0.33x nginx", of["nginx"]["cpu_us"] >= 0.33 * mine["cpu_us"]
    if name == "zrokd, one hop":
        yield "go", mine["cpu_us"] <= of["go"]["cpu_us"]
    elif what == _BROWSERS:
        yield "1.7x one hop", mine["cpu_us"] <= 1.7 * of["zrokd, one hop"]["cpu_us"]
    if what == _ALONE:
        yield "1 ms", mine["p50"] - of["direct"]["p50"] <= 1
    elif what == _STEADY:
        yield "p99 5 ms", mine["p99"] <= 5
    elif what.startswith("1 KiB"):
        yield "p99 3x p50", mine["p99"] <= 3 * mine["p50"]


def main() -> None:
    """Measure all."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    mib = int(sys.argv[2]) if len(sys.argv) > 2 else 1024
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    kit.need("nginx", "haproxy", "wrk", "go")
    with contextlib.ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        (folder / "origin").mkdir()
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(0, OTHER_CORE)
        program, (echo,) = kit.built("load", folder), free_ports(1)
        ends.callback(subprocess.Popen([program, "serve", f"127.0.0.1:{echo}"]).terminate)
        target = ends.enter_context(kit.origin(folder / "origin", mib, echo))
        made = ends.enter_context(proxies(folder, target, sys.argv[4:]))
        print(kit.loaded(), flush=True)
        for what, once in workloads(program, seconds, mib).items():
            if seconds or what in _BULK:
                measure(what, once, made, rounds)


if __name__ == "__main__":
    main()
