"""What further processes of a frontend bring: `python tests/bench/bench_workers.py [seconds] [connections]`.

One daemon is controller and backend, another the frontend, with one process and then with two. Where fewer than four
cores are free, the rate cannot show it: load, origin and backend take theirs. So each process's CPU time is told, and
what the frontend would do with a core for each process, which is what its busiest one allows.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.kit import BROWSER, cpu_s, daemon, loaded, need, origin, roles, row, tree, wrk
from tests.flow.conftest import free_ports
from tests.ziti.daemons import HOST


def wait_for(port: int, pid: int, workers: int) -> None:
    """Return when a visitor is answered and all processes serve."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(subprocess.CalledProcessError, KeyError):
            if not wrk(port, HOST, 1, {}, connections=1).errors and len(tree(pid)) == workers:
                return
    sys.exit("the frontend does not answer")


def measure(port: int, pid: int, seconds: int, connections: int) -> float:
    """Print one row; requests a second if each process had a core."""
    pids = tree(pid)
    before = [cpu_s(each) for each in pids]
    load = wrk(port, HOST, seconds, BROWSER, connections=connections)
    used = [cpu_s(each) - was for each, was in zip(pids, before, strict=True)]
    possible = load.requests / max(used)
    shares = " + ".join(f"{part / sum(used):.0%}" for part in used)
    row(
        "1 KiB, browser heads",
        f"workers: {len(pids)}",
        f"{load.rate:.0f}/s here, {sum(used) / load.requests * 1e6:.0f} µs CPU each, {shares}",
        ("no errors", not load.errors),
        beside=f"{possible:.0f}/s with a core for each",
    )
    return possible


def main() -> None:
    """Measure one process, then two."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    connections = int(sys.argv[2]) if len(sys.argv) > 2 else 32
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
        possible = []
        for workers in (1, 2):
            front = {"frontend": every["frontend"] | {"workers": workers}}
            with daemon(folder, f"front{workers}", front) as pid:
                wait_for(port, pid, workers)
                time.sleep(2)  # what starting costs is over
                possible.append(measure(port, pid, seconds, connections))
        gain = possible[1] / possible[0]
        few = "" if (os.cpu_count() or 1) >= 4 else "by CPU time: this machine's cores are too few to show it as a rate"
        row("1 KiB, browser heads", "workers: 2", f"{gain:.2f}x what one does", ("1.7x", gain >= 1.7), beside=few)


if __name__ == "__main__":
    main()
