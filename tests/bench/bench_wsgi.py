"""The controller's web server: an authenticated read beside gevent.pywsgi, polls that wait, and the hub meanwhile.

`dev.py bench wsgi`. Both servers run the same application over the same database, each in a process of its own, one
after the other.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import contextlib  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import socket  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
import requests  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.kit import cpu_s, loaded, memory_mib, row  # noqa: E402

_SHARES, _POLLS, _READS = 10_000, 1_000, 500
_TOKEN, _EDGE = "anns-own-token", "edges-own-token"
_READ = "/api/v2/share/namespaces"


# -- the server, in a process of its own ---


class Gaps:
    """The longest that the hub did nothing else since it was asked last; over HTTP at /gap.

    In seconds on the clock, and of CPU: what this process did meanwhile, whatever else the machine did.
    """

    def __init__(self) -> None:
        self.worst = [0.0, 0.0]
        gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            before, worked = time.perf_counter(), time.process_time()
            gevent.sleep(0.001)
            gap = time.perf_counter() - before - 0.001, time.process_time() - worked
            self.worst = [max(pair) for pair in zip(self.worst, gap, strict=True)]

    def around(self, app: Any) -> Any:
        """`app`, with /gap beside it."""

        def call(environ: dict[str, Any], start: Any) -> Any:
            if environ["PATH_INFO"] != "/gap":
                return app(environ, start)
            start("200 OK", [("Content-Type", "application/json")])
            worst, self.worst = self.worst, [0.0, 0.0]
            return [json.dumps(worst).encode()]

        return call


def serve(kind: str, folder: Path) -> None:
    """Serve a controller's API by one of the two servers, and print the port."""
    from tests.bench.control import make_app
    from zrokd.__main__ import COLLECT, TURN_S

    gc.set_threshold(*COLLECT)
    sys.setswitchinterval(TURN_S)
    app = make_app(folder)
    gc.collect()
    gc.freeze()  # as a daemon does it once it serves
    if kind == "watched":  # which costs, too
        app = Gaps().around(app)
    sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(sock.getsockname()[1], flush=True)
    if kind == "pywsgi":
        from gevent.pywsgi import WSGIServer

        WSGIServer(sock, app, log=None).serve_forever()  # type: ignore[arg-type]
    from zrokd.net.listener import Listener
    from zrokd.net.wsgi import WsgiHandler

    Listener(sock, WsgiHandler(app), log=logging.getLogger("bench"), limit=5000, name="bench").start()
    gevent.get_hub().join()
    gevent.sleep(1e6)


# -- measuring ---


@contextlib.contextmanager
def server(kind: str, folder: Path) -> Iterator[tuple[int, int]]:
    """Port and process of a running server."""
    command = [sys.executable, __file__, "serve", kind, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield int(child.stdout.readline()), child.pid
        finally:
            child.kill()


def get(session: requests.Session, port: int, path: str, token: str = _TOKEN) -> requests.Response:
    """One request that must succeed."""
    answer = session.get(f"http://127.0.0.1:{port}{path}", headers={"x-token": token}, timeout=120)
    answer.raise_for_status()
    return answer


def cost(kind: str, folder: Path) -> tuple[float, float]:
    """CPU microseconds of a server for an authenticated read on a kept connection, and reads a second."""
    with server(kind, folder) as (port, pid), requests.Session() as session:
        for _ in range(20):
            get(session, port, _READ)
        before, began = cpu_s(pid), time.monotonic()
        for _ in range(_READS):
            get(session, port, _READ)
        rate = _READS / (time.monotonic() - began)
        each_us = (cpu_s(pid) - before) / _READS * 1e6
        row("authenticated read", kind, f"{each_us:.0f} µs CPU each, {rate:.0f}/s one after another")
        return each_us, rate


def polls(folder: Path, pause_s: float) -> None:
    """What frontends cost that wait for news, and came with so long a pause between them."""
    with server("zrokd", folder) as (port, pid), requests.Session() as session:
        known = get(session, port, "/api/v2/zrokd/mappings", _EDGE).json()
        while "next" in known:  # to the end, as there is news otherwise
            known = get(session, port, f"/api/v2/zrokd/mappings?epoch={known['next']}", _EDGE).json()
        since = f"epoch={known['epoch']}&since={known['version']}&wait_s=25"
        asked = f"GET /api/v2/zrokd/mappings?{since} HTTP/1.1\r\nHost: x\r\nx-token: {_EDGE}\r\n\r\n".encode()
        waiting: list[socket.socket] = []
        before = 0.0
        for number in range(_POLLS + 100):
            if number == 100:  # what the first ones need is needed once
                time.sleep(2)
                before = memory_mib(pid)
            waiting.append(socket.create_connection(("127.0.0.1", port)))
            waiting[-1].sendall(asked)
            time.sleep(pause_s)
        time.sleep(5)
        each = (memory_mib(pid) - before) * 1024 / _POLLS
        came = "one after another" if pause_s else "all at once"
        row(f"{_POLLS} polls that wait", f"zrokd, {came}", f"{each:.1f} KiB each", ("20 KiB", each <= 20))
        for sock in waiting:
            sock.close()


def gaps(folder: Path) -> None:
    """How long others wait while an account with many shares is read."""
    with server("watched", folder) as (port, _), requests.Session() as session:
        for path in ("/api/v2/overview", "/api/v2/shares", "/api/v2/metrics/account?duration=720h", _READ):
            worst = []
            for _ in range(5):
                get(session, port, "/gap")
                began = time.monotonic()
                size = len(get(session, port, path).content)
                took_s = time.monotonic() - began
                worst.append(get(session, port, "/gap").json())
            wall_s, cpu_s = (statistics.median(column) for column in zip(*worst, strict=True))
            figures = f"the hub stood {wall_s * 1000:.1f} ms at worst, {cpu_s * 1000:.1f} ms CPU"
            beside = f"{size / 1e6:.1f} MB in {took_s:.2f} s"
            row(path, "zrokd", figures, ("10 ms of ours", cpu_s <= 0.01), beside=beside)


def main() -> None:
    """Print all figures."""
    from tests.bench.control import seed

    print(loaded(), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seed(folder, accounts=1, shares=_SHARES)
        theirs, ours = cost("pywsgi", folder), cost("zrokd", folder)
        figures = f"{ours[1] / theirs[1]:.1f}x the reads a second, {ours[0] / theirs[0]:.2f}x the CPU of gevent.pywsgi"
        twice, cheaper = ours[1] >= 2 * theirs[1], ours[0] < theirs[0]
        row("authenticated read", "zrokd", figures, ("2x the rate", twice), ("less CPU", cheaper))
        polls(folder, 0.02)
        polls(folder, 0.0)
        gaps(folder)


if __name__ == "__main__":
    serve(sys.argv[2], Path(sys.argv[3])) if sys.argv[1:2] == ["serve"] else main()
