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
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.kit import BROWSER, CONNECTIONS, bulk, cpu_s, loaded, need, origin, wrk  # noqa: E402
from tests.flow.conftest import ROOT, free_ports  # noqa: E402
from tests.ziti.daemons import HOST, Daemons  # noqa: E402
from tests.ziti.places import Loopback  # noqa: E402

PROXY_CORE, OTHER_CORE = {0}, {1}
_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; proxy_buffering off;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    upstream origin {{ server {origin}; keepalive 128; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""
_HAPROXY = """
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option forwardfor
    http-reuse always
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    server s {origin}
"""
_ONE = """
version: 1
state_dir: {folder}/state
overlay: {{use: local}}
auth: [{{use: token}}]
roles:
  controller:
    listen: 127.0.0.1:{api}
    frontends: {{public: {{token: the-frontend-secret-of-the-bench}}}}
    namespaces:
      public: {{zone: ziti.localhost, url: "http://{{host}}:{port}", open: true, frontends: [public]}}
    accounts: [{{email: me@localhost, token: the-account-secret-of-the-bench}}]
  frontend:
    listen: 127.0.0.1:{port}
    controller: http://127.0.0.1:{api}
    token: the-frontend-secret-of-the-bench
  backend:
    controller: http://127.0.0.1:{api}
    token: the-account-secret-of-the-bench
    shares: [{{name: app, target: "http://{origin}"}}]
"""


@dataclass
class Proxy:
    """One that is measured, and what it did."""

    name: str
    port: int
    pids: Callable[[], list[int]]
    figures: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)

    def cpu_s(self) -> float:
        return sum(cpu_s(pid) for pid in self.pids())


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in tree(int(child)))]


@contextlib.contextmanager
def process(name: str, port: int, *command: str, **options: Any) -> Iterator[Proxy]:
    """A proxy that is one command, on the proxies' core."""
    with subprocess.Popen(
        ["taskset", "-c", str(min(PROXY_CORE)), *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **options,
    ) as child:
        try:
            yield Proxy(name, port, lambda: tree(child.pid))
        finally:
            child.terminate()


@contextlib.contextmanager
def proxies(folder: Path, target: Any, chosen: list[str]) -> Iterator[list[Proxy]]:
    """All of them, answering."""
    address = target.url.removeprefix("http://")
    makers = {
        "nginx": nginx,
        "haproxy": haproxy,
        "go": go,
        "zrokd, one hop": one_hop,
        "zrokd": one_daemon,
        "zrokd, 3 daemons": three_daemons,
    }
    with contextlib.ExitStack() as ends:
        made = []
        for number, name in enumerate(chosen or list(makers)):
            place = folder / f"proxy{number}"
            place.mkdir()
            made.append(ends.enter_context(makers[name](name, place, address)))
            until = time.monotonic() + 20
            while time.monotonic() < until and not answers(made[-1]):
                time.sleep(0.05)
        yield made


def answers(proxy: Proxy) -> bool:
    """Whether it passes a request on."""
    with contextlib.suppress(Exception):
        load = wrk(proxy.port, HOST, 1, {}, connections=1)
        return load.requests > 0 and not load.errors
    return False


def nginx(name: str, folder: Path, address: str) -> contextlib.AbstractContextManager[Proxy]:
    (port,) = free_ports(1)
    folder.chmod(0o755)
    (folder / "conf").write_text(_NGINX.format(folder=folder, port=port, origin=address))
    return process(name, port, "nginx", "-c", str(folder / "conf"))


def haproxy(name: str, folder: Path, address: str) -> contextlib.AbstractContextManager[Proxy]:
    (port,) = free_ports(1)
    (folder / "conf").write_text(_HAPROXY.format(port=port, origin=address))
    return process(name, port, "haproxy", "-q", "-f", str(folder / "conf"))


def go(name: str, folder: Path, address: str) -> contextlib.AbstractContextManager[Proxy]:
    (port,) = free_ports(1)
    source = Path(__file__).parent / "peers" / "reverseproxy.go"
    subprocess.run(["go", "build", "-o", str(folder / "proxy"), str(source)], check=True, cwd=folder)
    environ = {**os.environ, "GOMAXPROCS": "1"}
    return process(name, port, str(folder / "proxy"), f"127.0.0.1:{port}", f"http://{address}", env=environ)


def one_hop(name: str, folder: Path, address: str) -> contextlib.AbstractContextManager[Proxy]:
    (port,) = free_ports(1)
    source = Path(__file__).parent / "peers" / "one_hop.py"
    return process(name, port, sys.executable, str(source), str(port), address, cwd=ROOT)


def one_daemon(name: str, folder: Path, address: str) -> contextlib.AbstractContextManager[Proxy]:
    port, api = free_ports(2)
    (folder / "one.yml").write_text(_ONE.format(folder=folder, port=port, api=api, origin=address))
    return process(name, port, sys.executable, "-m", "zrokd", "run", str(folder / "one.yml"), cwd=ROOT)


@contextlib.contextmanager
def three_daemons(name: str, folder: Path, address: str) -> Iterator[Proxy]:
    class Where(Loopback):
        def prefix(self, name: str) -> list[str]:
            return ["taskset", "-c", str(min(PROXY_CORE))]

    overlay = f"{{use: local, dir: {folder}/overlay}}"
    target: Any = type("Target", (), {"url": f"http://{address}"})()
    three = Daemons(folder, Where(), dict.fromkeys(("controller", "frontend", "backend"), overlay), target)
    try:
        three.start()
        yield Proxy(name, three.port, lambda: [pid for each in three.processes.values() for pid in tree(each.pid)])
    finally:
        three.close()


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
