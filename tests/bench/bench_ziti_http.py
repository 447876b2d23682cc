"""HTTP through frontend, OpenZiti and backend on loopback: `python tests/bench/bench_ziti_http.py [seconds] [MiB]`.

The workload that zrok v2 was measured with: 1 KiB answers over 32 kept connections, then bulk, then what the daemons
hold. Target is nginx, load is wrk (`apt install nginx-light wrk`); both run beside what they measure. CPU is user and
system time of each process.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import contextlib  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import socket  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from types import SimpleNamespace  # noqa: E402
from typing import Any  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.flow.conftest import free_ports  # noqa: E402
from tests.ziti.conftest import overlays  # noqa: E402
from tests.ziti.daemons import HOST, Daemons  # noqa: E402
from tests.ziti.network import ZitiNetwork  # noqa: E402
from tests.ziti.places import Loopback  # noqa: E402

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
    server {{ listen 127.0.0.1:{port}; root {folder}/www; }}
}}
"""


@contextlib.contextmanager
def origin(folder: Path, mib: int) -> Iterator[SimpleNamespace]:
    """nginx with a page of 1 KiB and a file of `mib`."""
    (port,) = free_ports(1)
    folder.chmod(0o755)
    (folder / "www").mkdir()
    (folder / "www" / "index.html").write_bytes(b"x" * 1024)
    with (folder / "www" / "bulk").open("wb") as bulk:
        for _ in range(mib):
            bulk.write(os.urandom(1 << 20))
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port))
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


# -- measuring ---


def cpu_s(pid: int) -> float:
    """User and system seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """What a process holds."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


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


def wrk(three: Daemons, seconds: int, connections: int, headers: dict[str, str]) -> dict[str, Any]:
    """Requests, errors and latencies in ms of a closed loop."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", f"Host: {HOST}"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    said = subprocess.run(
        [*command, f"http://127.0.0.1:{three.port}/"], capture_output=True, text=True, check=True
    ).stdout
    count, took = re.search(r"(\d+) requests in ([\d.]+)s", said).groups()  # type: ignore[union-attr]
    shares = {f"p{int(share)}": _ms(value) for share, value in re.findall(r"(\d+)% +([\d.]+[mu]?s)", said)}
    failed = re.findall(r"(?:Socket errors|Non-2xx)[^:]*:(.*)", said)
    errors = sum(int(each) for line in failed for each in re.findall(r"\d+", line))
    return {"requests": int(count), "seconds": float(took), "errors": errors, **shares}


def _ms(text: str) -> float:
    for unit, factor in (("us", 1e-3), ("ms", 1.0), ("s", 1e3)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(text)


def bulk(three: Daemons, mib: int, connections: int) -> float:
    """MiB a second of so many downloads at once."""
    buffers = [memoryview(bytearray(1 << 20)) for _ in range(connections)]
    sizes = [0] * connections

    def one(number: int) -> None:
        with socket.create_connection(("127.0.0.1", three.port), 30) as sock:
            sock.sendall(f"GET /bulk HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
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


def small(three: Daemons, pids: dict[str, int], seconds: int, name: str, headers: dict[str, str]) -> None:
    """Print one line about small answers."""
    wrk(three, 2, CONNECTIONS, headers)
    before = measured(pids)
    with Circuits(three.network) as circuits:
        got = wrk(three, seconds, CONNECTIONS, headers)
    count = got["requests"]
    print(
        f"{name:22} {count / got['seconds']:7.0f} /s  p50 {got['p50']:.1f} p99 {got['p99']:.1f} ms  "
        f"errors {got['errors']}  dials {circuits.made} ({100 * circuits.made / count:.2f} %)  "
        f"µs CPU a request: {used(pids, before, count / 1e6)}",
        flush=True,
    )


def holds(when: str, pids: dict[str, int]) -> None:
    """Print what each process holds."""
    print(f"holds {when}, MiB: " + ", ".join(f"{name} {memory_mib(pid):.0f}" for name, pid in pids.items()), flush=True)


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
    if missing := [name for name in ("nginx", "wrk") if shutil.which(name) is None]:
        sys.exit(f"not here: {' and '.join(missing)}; apt install nginx-light wrk")
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
        print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        small(three, pids, seconds, "1 KiB, small heads", {})
        small(three, pids, seconds, "1 KiB, browser heads", BROWSER)
        holds("after these", pids)
        for connections in (1, 8):
            before = measured(pids)
            rate = bulk(three, mib, connections)
            each = connections * mib / 1024
            print(f"bulk, {connections} at once {rate:16.0f} MiB/s  CPU-s/GiB: {used(pids, before, each)}", flush=True)
        holds("in the end", pids)
        took = sorted(first_byte_ms(three, f"more{number}") for number in range(9))
        print(f"first byte through a new share: median {took[4]:.0f}, most {took[8]:.0f} ms after the reload")


if __name__ == "__main__":
    main()
