"""What it costs to keep bytes of 40,000 shares, and to look for accounts beyond their limits, on both databases.

`dev.py bench usage`. Frontends tell them every five seconds, in reports of 1,000 shares; each is one transaction.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import statistics  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

from zrokd_plugins.storage_sqlite import SqliteDatabase  # noqa: E402

from tests.bench.control import fill, offload  # noqa: E402
from tests.bench.kit import loaded, row  # noqa: E402
from tests.postgres.fixtures import open_database  # noqa: E402
from tests.postgres.server import NoPostgres, Postgres  # noqa: E402
from zrokd.model.limits import UsageSample  # noqa: E402
from zrokd.store import migrate, overruns, usage  # noqa: E402
from zrokd.store.database import Store  # noqa: E402

_SHARES, _REPORT, _ROUNDS = 40_000, 1_000, 2


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds on the clock and of CPU in this process."""
    began, before = time.monotonic(), time.process_time()
    work()
    return (time.monotonic() - began) * 1000, (time.process_time() - before) * 1000


def measure(name: str, database: Any) -> None:
    """Print its rows."""
    offload(migrate.upgrade, database)
    store = Store(database, offload)
    fill(store, _SHARES)
    tokens = [f"t{number:011}" for number in range(1, _SHARES + 1)]
    now_ms, spent = int(time.time() * 1000), []
    for turn in range(_ROUNDS):
        for start in range(0, _SHARES, _REPORT):
            some = tokens[start : start + _REPORT]
            told = [
                UsageSample(share_token=token, rx_bytes=1, tx_bytes=2, at_ms=now_ms + turn * 5000) for token in some
            ]
            spent.append(timed(lambda told=told: store.write(usage.add, told)))  # type: ignore[misc]
    wall, cpu = (statistics.median(column) for column in zip(*spent, strict=True))
    judged = timed(lambda: store.read(overruns.to_judge, now_ms, everybody=True))
    pruned = timed(lambda: store.write(usage.prune, now_ms + 7 * 3600 * 1000))
    writer = f"{_SHARES} every 5 s take {wall * _SHARES / _REPORT / 5000:.0%} of the writer"
    row(f"a report of {_REPORT} shares", name, f"{wall:.0f} ms, {cpu:.0f} ms CPU here", beside=writer)
    row("whom to judge", name, f"{judged[0]:.0f} ms")
    row(f"{_SHARES * _ROUNDS} samples forgotten", name, f"{pruned[0]:.0f} ms")


def main() -> None:
    """Both databases."""
    print(loaded(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        measure("sqlite", SqliteDatabase(Path(folder) / "zrokd.sqlite3"))
    try:
        server = Postgres().start()
    except NoPostgres as error:
        print(error)
        return
    try:
        database = open_database(server, server.create())
        measure("postgres", database)
        database.close_idle()
    finally:
        server.close()


if __name__ == "__main__":
    main()
