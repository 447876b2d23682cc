"""Requests a second and CPU a request of a one-hop proxy on loopback: `python tests/bench/bench_forward.py [seconds]`.

Origin, proxy and load run in a process each. The proxy parses, strips, forwards and frames; nothing else.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import logging  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

import gevent  # noqa: E402
from gevent.pool import Group  # noqa: E402

from tests.bench.kit import cpu_s, row  # noqa: E402
from zrokd.contracts.overlay import Stream  # noqa: E402
from zrokd.model.units import Address  # noqa: E402
from zrokd.net.http1.connection import HttpConnection  # noqa: E402
from zrokd.net.http1.forward import forward  # noqa: E402
from zrokd.net.http1.limits import HttpLimits  # noqa: E402
from zrokd.net.listener import Listener  # noqa: E402
from zrokd.net.listening import listen  # noqa: E402
from zrokd.net.stream import connect  # noqa: E402

LIMITS = HttpLimits(keep_alive_requests=10**9)
SMALL = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
BROWSER = (
    b"GET /assets/app.js?v=3 HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\n"
    b'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\n'
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef\r\n\r\n"
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 101\r\n\r\n"
)
ANSWER += b"x" * 101


def origin(stream: Stream) -> None:
    """Answer each recv with one answer: as little as can be."""
    while stream.wait_readable() and stream.recv(16384):
        stream.send(ANSWER)


def proxy_to(address: Address):
    """A handler with a pool of upstream connections."""
    spare: list[HttpConnection] = []

    def handle(stream: Stream) -> None:
        client = HttpConnection(stream, LIMITS)
        while (head := client.read_request()) is not None:
            upstream = spare.pop() if spare else HttpConnection(connect(address, 5), LIMITS)
            result = forward(client, head, upstream)
            if result.reusable_upstream:
                spare.append(upstream)
            if not result.reusable_client:
                return

    return handle


def in_child(make_handler) -> tuple[int, Address]:
    """Run a listener in a process of its own; its pid and address."""
    sock = listen(Address("127.0.0.1", 0))
    address = Address(*sock.getsockname())
    pid = gevent.os.fork()
    if pid:
        sock.close()
        return pid, address
    Listener(sock, make_handler(), log=logging.getLogger("bench"), name="bench").start()
    gevent.get_hub().join()
    os._exit(0)


def load(address: Address, request: bytes, seconds: float, clients: int = 32) -> int:
    """Requests answered."""
    done = [0]
    end = time.monotonic() + seconds

    def client() -> None:
        stream = connect(address, 5)
        while time.monotonic() < end:
            stream.send(request)
            got = 0
            while got < len(ANSWER):
                stream.wait_readable()
                got += len(stream.recv(16384))
            done[0] += 1
        stream.close()

    group = Group()
    for _ in range(clients):
        group.spawn(client)
    group.join()
    return done[0]


def main() -> None:
    """Print one line a kind of head."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    origin_pid, origin_address = in_child(lambda: origin)
    proxy_pid, proxy_address = in_child(lambda: proxy_to(origin_address))
    os.sched_setaffinity(proxy_pid, {0})
    others = {1} if (os.cpu_count() or 1) > 1 else {0}
    os.sched_setaffinity(origin_pid, others)
    os.sched_setaffinity(0, others)
    try:
        for name, request in (("small", SMALL), ("browser", BROWSER)):
            load(proxy_address, request, 0.5)
            before = cpu_s(proxy_pid)
            count = load(proxy_address, request, seconds)
            used = cpu_s(proxy_pid) - before
            row(f"{name} heads", "the loop alone", f"{count / seconds:.0f}/s, {used / count * 1e6:.1f} µs CPU each")
    finally:
        os.kill(proxy_pid, signal.SIGTERM)
        os.kill(origin_pid, signal.SIGTERM)
    print(f"load generator used {resource.getrusage(resource.RUSAGE_SELF).ru_utime:.1f} s")


if __name__ == "__main__":
    main()
