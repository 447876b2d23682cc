"""What a further process of a frontend brings: `python tests/bench/bench_workers.py [seconds] [connections] [rounds]`.

One daemon is controller and backend, another the frontend, with one process and then with two. Where fewer than four
cores are free, the rate cannot show what it brings: load, origin and backend take theirs, and two processes that share
the work of one sleep more, and wake more often for it. So CPU times are told, and beside them what the machine itself
allows: the same for two frontends that know nothing of each other, and for nginx with one process and two.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.kit import BROWSER, cpu_s, daemon, loaded, need, origin, roles, row, tree, wrk
from tests.bench.proxies import NGINX
from tests.flow.conftest import free_ports
from tests.ziti.daemons import HOST

_WORK = "1 KiB, browser heads"


@dataclass
class Entrance:
    """One that is measured: one process or two, at one port or two."""

    name: str
    ports: list[int]
    pids: list[int]
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)  # µs CPU each
    busiest: list[float] = field(default_factory=list)  # its part of the CPU time

    def measure(self, seconds: int, connections: int) -> None:
        """As many connections at each port, from all of them at once."""
        before = [cpu_s(each) for each in self.pids]
        with ThreadPoolExecutor() as pool:
            each = connections // len(self.ports)
            loads = list(pool.map(lambda port: wrk(port, HOST, seconds, BROWSER, connections=each), self.ports))
        used = [cpu_s(each) - was for each, was in zip(self.pids, before, strict=True)]
        assert not any(load.errors for load in loads), f"{self.name}: errors"
        self.rates.append(sum(load.rate for load in loads))
        self.costs.append(sum(used) / sum(load.requests for load in loads) * 1e6)
        self.busiest.append(max(used) / sum(used))

    @property
    def possible(self) -> float:
        """Requests a second if each process had a core."""
        return len(self.pids) * 1e6 / median(self.costs)

    def show(self) -> None:
        """Its row."""
        figures = f"{median(self.rates):.0f}/s here, {median(self.costs):.0f} µs CPU each"
        parts = f", the busier {median(self.busiest):.0%}" if len(self.pids) > 1 else ""
        row(_WORK, self.name, figures + parts, beside=f"{self.possible:.0f}/s with a core for each")


def compare(one: Entrance, two: Entrance) -> float:
    """How much more a core for each lets two do."""
    return two.possible / one.possible


def wait_for(port: int, pid: int, workers: int) -> list[int]:
    """The pids, when a visitor is answered and all processes serve."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(subprocess.CalledProcessError, KeyError):
            if not wrk(port, HOST, 1, {}, connections=1).errors and len(tree(pid)) == workers:
                return tree(pid)
    sys.exit("the frontend does not answer")


@contextlib.contextmanager
def zrokd(folder: Path, every: dict[str, Any], name: str, workers: int, count: int = 1) -> Iterator[Entrance]:
    """So many frontends of so many processes each."""
    with contextlib.ExitStack() as ends:
        ports, pids = free_ports(count), []
        for number, port in enumerate(ports):
            front = {"frontend": every["frontend"] | {"workers": workers, "listen": f"127.0.0.1:{port}"}}
            pid = ends.enter_context(daemon(folder, f"{name.replace(' ', '-')}{number}", front))
            pids += wait_for(port, pid, workers)
        yield Entrance(f"zrokd, {name}", ports, pids)


@contextlib.contextmanager
def nginx(folder: Path, target: str, workers: int) -> Iterator[Entrance]:
    """As a proxy of so many processes before the origin; the one that starts them does no work."""
    (port,) = free_ports(1)
    place = folder / f"nginx{workers}"
    place.mkdir(mode=0o755)
    (place / "conf").write_text(
        NGINX.format(folder=place, port=port, origin=target.removeprefix("http://"), workers=workers)
    )
    with subprocess.Popen(["nginx", "-c", str(place / "conf")], stderr=subprocess.DEVNULL) as child:
        try:
            yield Entrance(f"nginx, workers {workers}", [port], wait_for(port, child.pid, workers + 1)[1:])
        finally:
            child.terminate()


def main() -> None:
    """Measure all, by turns."""
    seconds, connections, rounds = (int(given) for given in [*sys.argv[1:4], *("4", "32", "3")[len(sys.argv) - 1 :]])
    need("nginx", "wrk")
    with contextlib.ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        (folder / "origin").mkdir()
        target = ends.enter_context(origin(folder / "origin", 1)).url
        api, port = free_ports(2)
        every = roles(port, api, {"app": target})
        back = {name: every[name] for name in ("controller", "backend")}
        ends.enter_context(daemon(folder, "back", back, dir=f"{folder}/overlay"))
        print(loaded(), flush=True)
        made = [
            ends.enter_context(zrokd(folder, every, "workers 1", 1)),
            ends.enter_context(zrokd(folder, every, "workers 2", 2)),
            ends.enter_context(zrokd(folder, every, "two frontends", 1, 2)),
            ends.enter_context(nginx(folder, target, 1)),
            ends.enter_context(nginx(folder, target, 2)),
        ]
        time.sleep(2)  # what starting costs is over
        for _ in range(rounds):
            for each in made:
                each.measure(seconds, connections)
        tell(made)


def tell(made: list[Entrance]) -> None:
    """The rows, and what a second process brings."""
    for each in made:
        each.show()
    one, two, apart, nginx_one, nginx_two = made
    few = "" if (os.cpu_count() or 1) >= 4 else "by CPU time: too few cores to show it as a rate"
    gain, bound = compare(one, two), compare(one, apart)
    row(_WORK, two.name, f"{gain:.2f}x what one does", ("1.7x", gain >= 1.7), beside=few)
    row(
        _WORK,
        "the machine",
        f"{bound:.2f}x: two frontends apart; {compare(nginx_one, nginx_two):.2f}x: nginx",
        beside=few,
    )


if __name__ == "__main__":
    main()
