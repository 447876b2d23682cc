"""What `bench_http` measures: nginx, HAProxy, Go's ReverseProxy, zrokd; each alone on core 0 before one web server."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.kit import built, command_of, cpu_s, roles, tree, wrk
from tests.flow.conftest import ROOT, free_ports
from tests.ziti.daemons import HOST, Daemons
from tests.ziti.places import Loopback

PROXY_CORE, OTHER_CORE = {0}, {1}
NGINX = """
daemon off; worker_processes {workers}; pid {folder}/nginx.pid; error_log {folder}/error.log;
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
        location /echo {{
            proxy_pass http://{origin}; proxy_http_version 1.1; proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection Upgrade;
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


@dataclass
class Proxy:
    """One that is measured, and what it did."""

    name: str
    port: int
    pids: Callable[[], list[int]]
    figures: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def cpu_s(self) -> float:
        """What its processes used so far."""
        return sum(cpu_s(pid) for pid in self.pids())

    def note(self, what: str, **figures: float) -> None:
        """One measurement of a workload."""
        self.figures.setdefault(what, []).append(figures)

    def medians(self, what: str) -> dict[str, float]:
        """Of all measurements of a workload."""
        noted = self.figures[what]
        return {name: statistics.median(each[name] for each in noted) for name in noted[0]}


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
        "direct": direct,
        "nginx": nginx,
        "haproxy": haproxy,
        "go": go,
        "go, io.Copy": go_copy,
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


@contextlib.contextmanager
def direct(name: str, _folder: Path, address: str) -> Iterator[Proxy]:
    """No proxy."""
    yield Proxy(name, int(address.rpartition(":")[2]), list)


def nginx(name: str, folder: Path, address: str) -> contextlib.AbstractContextManager[Proxy]:
    (port,) = free_ports(1)
    folder.chmod(0o755)
    (folder / "conf").write_text(NGINX.format(folder=folder, port=port, origin=address, workers=1))
    return process(name, port, "nginx", "-c", str(folder / "conf"))


def haproxy(name: str, folder: Path, address: str) -> contextlib.AbstractContextManager[Proxy]:
    (port,) = free_ports(1)
    (folder / "conf").write_text(_HAPROXY.format(port=port, origin=address))
    return process(name, port, "haproxy", "-q", "-f", str(folder / "conf"))


def go(name: str, folder: Path, address: str) -> contextlib.AbstractContextManager[Proxy]:
    return in_go(name, built("reverseproxy", folder), f"http://{address}")


def go_copy(name: str, folder: Path, address: str) -> contextlib.AbstractContextManager[Proxy]:
    return in_go(name, built("relay", folder), address)


def in_go(name: str, program: str, target: str) -> contextlib.AbstractContextManager[Proxy]:
    (port,) = free_ports(1)
    return process(name, port, program, f"127.0.0.1:{port}", target, env={**os.environ, "GOMAXPROCS": "1"})


def one_hop(name: str, folder: Path, address: str) -> contextlib.AbstractContextManager[Proxy]:
    (port,) = free_ports(1)
    source = Path(__file__).parent / "peers" / "one_hop.py"
    return process(name, port, sys.executable, str(source), str(port), address, cwd=ROOT)


def one_daemon(name: str, folder: Path, address: str) -> contextlib.AbstractContextManager[Proxy]:
    port, api = free_ports(2)
    every = roles(port, api, {"app": f"http://{address}"})
    return process(name, port, *command_of(folder, "one", every), cwd=ROOT)


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
