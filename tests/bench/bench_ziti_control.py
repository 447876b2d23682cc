"""What changes the network: `python tests/bench/bench_ziti_control.py [shares] [step]`.

A zrokd controller, a frontend and a backend over OpenZiti on loopback. Measured while the number of live shares grows:
enable, share, access, unshare as the API answers them, the first byte through a new share, how many shares a second a
backend offers and binds; then, with all of them at rest, what the backend's own dials cost and how soon a bind that the
network forgot is told. Medians, each beside its goal; nothing is judged.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import contextlib  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

import gevent  # noqa: E402

from tests.bench.bench_ziti_http import holds  # noqa: E402
from tests.bench.bench_ziti_stream import node_of  # noqa: E402
from tests.bench.kit import loaded, measured, row, used  # noqa: E402
from tests.ziti.conftest import overlays  # noqa: E402
from tests.ziti.daemons import ACCOUNT, Daemons, target_at  # noqa: E402
from tests.ziti.network import ZitiNetwork  # noqa: E402
from tests.ziti.places import Loopback  # noqa: E402
from zrokd.client.controller import Controller  # noqa: E402
from zrokd.contracts import Listener, Node  # noqa: E402
from zrokd.errors import StreamError  # noqa: E402
from zrokd.model.bind import Reach  # noqa: E402
from zrokd.model.share import NameSelection, ShareDraft, ShareMode  # noqa: E402
from zrokd.model.units import Secret  # noqa: E402

GOALS = {"enable": 150, "share": 40, "access": 40, "unaccess": 40, "unshare": 104, "first byte": 300}  # ms
SECOND_GOAL = 20  # shares
ROUNDS = 15
REST_S = 20.0
OTHERS = 2  # shares that the backend has from the start
POLL_S, WAIT_S = 0.2, 600.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"


@contextlib.contextmanager
def site() -> Iterator[Daemons]:
    """Network, controller, frontend, backend, and something to share."""
    with contextlib.ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        network = ends.enter_context(ZitiNetwork(folder / "network"))
        target = ends.enter_context(target_at(Loopback(), "backend"))
        three = Daemons(folder, Loopback(), overlays(network), target)
        ends.callback(three.close)
        three.network = network
        three.start()
        yield three


def took_ms(work: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def calls(client: Controller, host: str) -> dict[str, float]:
    """Median milliseconds of each call, as its client sees it; `host` is an environment."""
    took: dict[str, list[float]] = {name: [] for name in ("enable", "share", "access", "unaccess", "unshare")}
    for number in range(ROUNDS):
        made: dict[str, str] = {}

        def enable(made: dict[str, str] = made, number: int = number) -> None:
            made["guest"] = client.enable(f"guest{number}", "guest").z_id

        def share(made: dict[str, str] = made) -> None:
            draft = ShareDraft(env_z_id=host, share_mode=ShareMode.PRIVATE, mode="tcp", target="127.0.0.1:1")
            made["share"] = client.share(draft)[0]

        def access(made: dict[str, str] = made) -> None:
            made["access"] = client.access(made["guest"], made["share"], "", "")[0]

        took["enable"].append(took_ms(enable))
        took["share"].append(took_ms(share))
        took["access"].append(took_ms(access))
        took["unaccess"].append(took_ms(lambda: client.unaccess(made["guest"], made["share"], made["access"])))  # noqa: B023
        took["unshare"].append(took_ms(lambda: client.unshare(host, made["share"])))  # noqa: B023
        client.disable(made["guest"])
    return {name: statistics.median(values) for name, values in took.items()}


def first_byte_ms(three: Daemons, client: Controller, host: str, node: Node) -> float:
    """From the call that makes a public share to its first answer at the public entrance."""

    def answer(listener: Listener) -> None:
        with contextlib.suppress(StreamError):
            while True:
                stream, _ = listener.accept()
                with contextlib.closing(stream):
                    stream.recv(65536, 5.0)
                    stream.send(ANSWER, 5.0)

    selections = (NameSelection(namespace="public"),)
    began = time.perf_counter()
    draft = ShareDraft(env_z_id=host, share_mode=ShareMode.PUBLIC, mode="hello", selections=selections)
    token, (name, *_) = client.share(draft)
    with contextlib.closing(node.bind(token)) as listener:
        answering = gevent.spawn(answer, listener)
        while three.status(name) != 200:
            time.sleep(0.002)
        took = (time.perf_counter() - began) * 1000
    answering.join()
    client.unshare(host, token)
    return took


def at(three: Daemons, client: Controller, live: int) -> None:
    """Print how long each call takes while so many shares are live."""
    identity = client.enable("bench", "host")
    (three.folder / "bench.json").write_text(identity.document)
    found = calls(client, identity.z_id)
    with node_of(three.folder / "bench.json") as node:
        took = [first_byte_ms(three, client, identity.z_id, node) for _ in range(ROUNDS)]
    found["first byte"] = statistics.median(took)
    client.disable(identity.z_id)
    shown = ", ".join(f"{name} {found[name]:.0f} ms" for name in GOALS)
    goals = [(f"{name} {goal} ms", found[name] <= goal) for name, goal in GOALS.items()]
    row(f"{live} shares live", "over Ziti", shown, *goals)


def grow(three: Daemons, pids: dict[str, int], first: int, count: int) -> None:
    """So many more shares in the backend's file, and print how fast they are bound."""
    lines = [f"      - {{private: true, token: live{number}, mode: hello}}\n" for number in range(first, first + count)]
    three.backend.file.write_text(three.backend.file.read_text() + "".join(lines))
    before = measured(pids)
    os.kill(pids["backend"], signal.SIGHUP)
    seconds = until(lambda: f"{first + count + OTHERS} of {first + count + OTHERS} shares" in three.backend.detail())
    cpu, rate = used(pids, before, count / 1000), count / seconds
    goal = f"{SECOND_GOAL} a second", rate >= SECOND_GOAL
    row(f"{count} more bound", "over Ziti", f"{rate:.0f} a second", goal, beside=f"ms CPU each: {cpu}")


def until(check: Callable[[], bool]) -> float:
    """Seconds until it is so."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < WAIT_S, "it never came true"
        time.sleep(POLL_S)
    return time.monotonic() - began


def at_rest(three: Daemons, client: Controller, pids: dict[str, int]) -> None:
    """Print what dials of the backend's own cost, and how soon one forgotten bind is told."""
    time.sleep(REST_S)  # each was dialled once
    before, began = measured(pids), time.monotonic()
    time.sleep(REST_S)
    seconds = time.monotonic() - began
    row("% of a core at rest", "over Ziti", used(pids, before, seconds / 100))
    for victim in three.network.all("/terminators")[-3:]:
        three.network.api("DELETE", f"/terminators/{victim['id']}")
        ready_s = until(lambda: three.backend.ready()[0] != 200)
        told_s = ready_s + until(lambda: any(one.reach is Reach.BROKEN for one in client.list_binds()))
        until(lambda: all(one.reach is not Reach.BROKEN for one in client.list_binds()))
        told = f"told by readyz after {ready_s:.1f} s, by the API after {told_s:.1f} s"
        row("a forgotten bind", "over Ziti", told, ("10 s", told_s <= 10))


def main() -> None:
    """Measure all."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    step = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    with site() as three:
        url = f"http://{three.where.hub}:{three.api_port}"
        client = Controller(url, Secret(ACCOUNT), timeout_s=60.0)
        pids = {name: process.pid for name, process in three.processes.items()}
        pids |= {"router": three.network.router.pid, "ziti": three.network.controller.pid}
        print(loaded())
        at(three, client, 0)
        for first in range(0, most, step):
            grow(three, pids, first, step)
            at(three, client, first + step)
        holds(f"with {most} live shares", pids)
        at_rest(three, client, pids)
        client.close()


if __name__ == "__main__":
    main()
