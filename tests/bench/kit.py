"""What benches have in common: nginx as origin, wrk as load, daemons, CPU and memory of processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gevent.pool import Pool

from tests.flow.conftest import ROOT, free_ports
from tests.ziti.daemons import ZONE

CONNECTIONS = 32
BROWSER = {
    "Cache-Control": "max-age=0",
    "sec-ch-ua": '"Chromium";v="130", "Not?A_Brand";v="99"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "Upgrade-Insecure-Requests": "1",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-User": "?1",
    "Sec-Fetch-Dest": "document",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-US,en;q=0.9",
    "Cookie": "session=0123456789abcdef",
}
_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; keepalive_requests 1000000000;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{
        listen 127.0.0.1:{port}; root {folder}/www;
        location /each {{ add_header X-Request $request_id; try_files /index.html =404; }}
        location /echo {{
            proxy_pass http://127.0.0.1:{echo}; proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection Upgrade;
        }}
    }}
}}
"""


@contextlib.contextmanager
def origin(folder: Path, mib: int, echo: int = 9) -> Iterator[SimpleNamespace]:
    """nginx with 1 KiB at /, 10 KB and 1 MB, `mib` at /bulk, an eighth of it at /part.

    /each is as /, with another head each time; /echo is of port `echo`.
    """
    (port,) = free_ports(1)
    folder.chmod(0o755)
    (folder / "www").mkdir()
    for name, size in (("index.html", 1024), ("10k", 10**4), ("1m", 10**6), ("bulk", mib << 20), ("part", mib << 17)):
        with (folder / "www" / name).open("wb") as file:
            file.truncate(size)
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port, echo=echo))
    with subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL) as child:
        try:
            until = time.monotonic() + 10
            while time.monotonic() < until:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield SimpleNamespace(url=f"http://127.0.0.1:{port}", pid=child.pid)
        finally:
            child.terminate()


def built(peer: str, folder: Path) -> str:
    """A program of peers/, which is written in Go."""
    program = folder / peer
    source = Path(__file__).parent / "peers" / f"{peer}.go"
    subprocess.run(["go", "build", "-o", str(program), str(source)], check=True, cwd=folder)
    return str(program)


def need(*programs: str) -> None:
    """Exit with a sentence when one is not here."""
    if missing := [name for name in programs if shutil.which(name) is None]:
        sys.exit(f"not here: {' and '.join(missing)}; apt install nginx-light haproxy wrk, and Go")


# -- daemons ---

_EDGE, _ACCOUNT = "the-frontend-secret-of-the-bench", "the-account-secret-of-the-bench"


def roles(port: int, api: int, shares: dict[str, str], **frontend: Any) -> dict[str, Any]:
    """All three, as a file has them: `shares` are targets by name, `frontend` what else stands in that role."""
    controller = f"http://127.0.0.1:{api}"
    zone = {"zone": ZONE, "url": f"http://{{host}}:{port}", "open": True, "frontends": ["public"]}
    return {
        "controller": {
            "listen": f"127.0.0.1:{api}",
            "frontends": {"public": {"token": _EDGE}},
            "namespaces": {"public": zone},
            "accounts": [{"email": "me@localhost", "token": _ACCOUNT}],
        },
        "frontend": {"listen": f"127.0.0.1:{port}", "controller": controller, "token": _EDGE, **frontend},
        "backend": {
            "controller": controller,
            "token": _ACCOUNT,
            "shares": [{"name": name, "target": target} for name, target in shares.items()],
        },
    }


def command_of(folder: Path, name: str, chosen: dict[str, Any], **overlay: str) -> list[str]:
    """What runs a daemon of these roles, on the overlay local."""
    file = folder / f"{name}.yml"
    file.touch(0o600)
    configuration = {
        "version": 1,
        "state_dir": str(folder / name),
        "overlay": {"use": "local", **overlay},
        "auth": [{"use": "token"}],
        "roles": chosen,
    }
    file.write_text(json.dumps(configuration))  # which is YAML, too
    return [sys.executable, "-m", "zrokd", "run", str(file)]


@contextlib.contextmanager
def daemon(folder: Path, name: str, chosen: dict[str, Any], **overlay: str) -> Iterator[int]:
    """The pid of a running daemon of these roles, which may not answer yet."""
    command = command_of(folder, name, chosen, **overlay)
    with (
        (folder / f"{name}.log").open("w") as log,
        subprocess.Popen(command, cwd=ROOT, stderr=log) as child,
    ):
        try:
            yield child.pid
        finally:
            child.terminate()


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in tree(int(child)))]


# -- measuring ---


@contextlib.contextmanager
def many(count: int, make: Callable[[], socket.socket]) -> Iterator[list[socket.socket]]:
    """So many connections, fifty at a time in the making."""
    pool = Pool(50)
    made = [job.get() for job in [pool.spawn(make) for _ in range(count)]]
    try:
        yield made
    finally:
        for sock in made:
            sock.close()


@dataclass(frozen=True)
class Load:
    """What wrk saw; latencies in ms."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def cpu_s(pid: int) -> float:
    """User and system seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """What a process holds."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def most_mib(pid: int) -> float:
    """The most that a process held since `forget_most`."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def forget_most(pid: int) -> None:
    """From now on `most_mib` counts. Source: proc(5), clear_refs."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def wrk(
    port: int,
    host: str,
    seconds: int,
    headers: dict[str, str],
    connections: int = CONNECTIONS,
    path: str = "/",
    script: Path | None = None,
) -> Load:
    """A closed loop of so many connections; `script` in Lua may make each request another."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", f"Host: {host}"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    if script is not None:
        command += ["-s", str(script)]
    command.append(f"http://127.0.0.1:{port}{path}")
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    count, took = re.search(r"(\d+) requests in ([\d.]+)s", said).groups()  # type: ignore[union-attr]
    shares = {f"p{int(share)}": _ms(value) for share, value in re.findall(r"(\d+)% +([\d.]+[mu]?s)", said)}
    failed = re.findall(r"(?:Socket errors|Non-2xx)[^:]*:(.*)", said)
    errors = sum(int(each) for line in failed for each in re.findall(r"\d+", line))
    return Load(int(count), float(took), errors, shares["p50"], shares["p99"])


def go_load(program: str, kind: str, port: int, seconds: int, request: bytes, *more: str) -> Load:
    """What peers/load.go saw over CONNECTIONS; `kind` and `more` are told there."""
    command = [program, kind, f"127.0.0.1:{port}", str(CONNECTIONS), str(seconds), *more]
    said = subprocess.run(command, input=request, stdout=subprocess.PIPE, check=True).stdout.split()
    return Load(int(said[0]), float(seconds), int(said[1]), float(said[2]), float(said[3]))


def head(host: str, path: str, fields: dict[str, str]) -> bytes:
    """A request without a body."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in fields.items())]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def _ms(text: str) -> float:
    for unit, factor in (("us", 1e-3), ("ms", 1.0), ("s", 1e3)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(text)


def bulk(port: int, host: str, mib: int, connections: int, path: str = "/bulk") -> float:
    """MiB a second of so many downloads at once, of `mib` each."""
    buffers = [memoryview(bytearray(1 << 20)) for _ in range(connections)]
    sizes = [0] * connections

    def one(number: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 30) as sock:
            sock.sendall(head(host, path, {"Connection": "close"}))
            while count := sock.recv_into(buffers[number]):
                sizes[number] += count

    began = time.monotonic()
    threads = [threading.Thread(target=one, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(size > mib << 20 for size in sizes), sizes
    return connections * mib / (time.monotonic() - began)


def measured(pids: dict[str, int]) -> dict[str, float]:
    """CPU seconds by process."""
    return {name: cpu_s(pid) for name, pid in pids.items()}


def used(pids: dict[str, int], before: dict[str, float], each: float) -> str:
    """As text: what each process used since, by `each`."""
    return ", ".join(f"{name} {(now - before[name]) / each:.3g}" for name, now in measured(pids).items())


def row(what: str, who: str, figures: str, *goals: tuple[str, bool], beside: str = "") -> None:
    """Print a row of the table, which `tests/bench/table.py` gathers; each goal with whether it is met."""
    judged = "; ".join(f"{goal}: {'met' if met else 'missed'}" for goal, met in goals)
    print(f"| {what:25} | {who:16} | {figures:56} | {beside} | {judged} |", flush=True)


def loaded() -> str:
    """As text: what else the machine does now."""
    return f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores"
