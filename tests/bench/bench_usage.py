"""What it costs to keep bytes of 40,000 shares, and to look for accounts beyond their limits, on both databases.

`dev.py bench usage`. Frontends tell them every five seconds, in reports of 1,000 shares; each is one transaction. What
the one writer does for them is these, the sums of each period when it is over, and to forget as many samples again. CPU
is that of the controller and of the database's server, as times are those of a busy machine.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import statistics  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

from zrokd_plugins.storage_sqlite import SqliteDatabase  # noqa: E402

from tests.bench.control import fill, offload  # noqa: E402
from tests.bench.kit import cpu_s, loaded, row  # noqa: E402
from tests.postgres.fixtures import open_database  # noqa: E402
from tests.postgres.server import NoPostgres, Postgres  # noqa: E402
from zrokd.model.limits import UsageReport, UsageSample  # noqa: E402
from zrokd.model.naming import Namespace  # noqa: E402
from zrokd.net.signal import Bell  # noqa: E402
from zrokd.service.services import Services, make_services  # noqa: E402
from zrokd.store import migrate, overruns, usage_periods  # noqa: E402
from zrokd.store.database import Store  # noqa: E402

_SHARES, _REPORT, _ROUNDS = 40_000, 1_000, 4
_NOBODY: Any = None


class Spent(NamedTuple):
    """Milliseconds."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.0f} ms, {self.cpu:.0f} ms CPU"


class Stopwatch:
    """Of this process, and of those of the database's server."""

    def __init__(self, server: int | None = None) -> None:
        self._server = server

    def cpu_ms(self) -> float:
        """Used until now."""
        return (time.process_time() + sum(map(cpu_s, self._children()))) * 1000

    def times(self, work: Callable[[], object]) -> Spent:
        """What `work` takes."""
        began, before = time.monotonic(), self.cpu_ms()
        work()
        return Spent((time.monotonic() - began) * 1000, self.cpu_ms() - before)

    def _children(self) -> list[int]:
        if self._server is None:
            return []
        return [int(pid) for pid in Path(f"/proc/{self._server}/task/{self._server}/children").read_text().split()]


def measure(name: str, database: Any, watch: Stopwatch) -> None:
    """Print its rows."""
    offload(migrate.upgrade, database)
    store, clock, nobody = Store(database, offload), _Clock(), _NOBODY
    fill(store, _SHARES)
    services = make_services(store, nobody, nobody, clock, Bell())
    services.frontends.ensure("edge", "edges-own-token")
    services.namespaces.ensure(Namespace(token="public", zone="share.example.com", open=True), ["edge"])
    services.usage.roll_up()  # until now
    told = _mean([watch.times(partial(services.usage.report, "edge", one)) for one in _reports(clock)])
    judged = watch.times(lambda: store.read(overruns.to_judge, clock.now_ms() - 60_000, everybody=True))
    rolls = [_rolled(services, clock, watch, span_s) for span_s in usage_periods.SPANS_S]
    clock.now += 7200 * 1000
    pruned = watch.times(services.usage.prune)
    row(f"a report of {_REPORT} shares", name, str(told))
    row("whom to judge", name, str(judged))
    for span_s, spent in zip(usage_periods.SPANS_S, rolls, strict=True):
        row(f"periods of {span_s} s made", name, str(spent))
    row(f"{_SHARES * _ROUNDS} samples forgotten", name, str(pruned))
    wall, cpu = (
        (told[n] * _SHARES / _REPORT + pruned[n] / _ROUNDS) / 5000
        + sum(spent[n] / 1000 / span_s for spent, span_s in zip(rolls, usage_periods.SPANS_S, strict=True))
        for n in (0, 1)
    )
    figures = f"{cpu:.0%} of a core, {wall:.0%} of the time"
    row(f"{_SHARES} shares, all the time", name, figures, ("50 % of the writer", cpu <= 0.5))


def _mean(all_of_them: list[Spent]) -> Spent:
    return Spent(*(statistics.mean(column) for column in zip(*all_of_them, strict=True)))


def _rolled(services: Services, clock: _Clock, watch: Stopwatch, span_s: int) -> Spent:
    """What the sums of one span take; those of shorter ones are made before."""
    clock.now += span_s * 1000
    for shorter_s in usage_periods.SPANS_S[: usage_periods.SPANS_S.index(span_s)]:
        services.usage.roll_up_span(shorter_s)
    return watch.times(partial(services.usage.roll_up_span, span_s))


def _reports(clock: _Clock) -> Iterator[UsageReport]:
    """What frontends tell in so many times five seconds."""
    tokens = [f"t{number:011}" for number in range(1, _SHARES + 1)]
    for turn in range(_ROUNDS):
        clock.now += 5000
        for start in range(0, _SHARES, _REPORT):
            some = tokens[start : start + _REPORT]
            told = tuple(UsageSample(share_token=token, rx_bytes=1, tx_bytes=2, at_ms=0) for token in some)
            yield UsageReport(reporter="r", batch=f"{turn}-{start}", samples=told)


class _Clock:
    """Goes on when it is told to; begins at the beginning of a day."""

    now = 20_000 * 86400 * 1000

    def now_ms(self) -> int:
        """What it shows."""
        return self.now


def main() -> None:
    """Both databases."""
    print(loaded(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        measure("sqlite", SqliteDatabase(Path(folder) / "zrokd.sqlite3"), Stopwatch())
    try:
        server = Postgres().start()
    except NoPostgres as error:
        print(error)
        return
    try:
        database = open_database(server, server.create(), statement=60)
        measure("postgres", database, Stopwatch(server.pid))
        database.close_idle()
    finally:
        server.close()


if __name__ == "__main__":
    main()
