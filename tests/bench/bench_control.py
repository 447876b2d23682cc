"""What `enable` and `share` cost with no other account and with 40,000, and how many shares a second SQLite takes.

`dev.py bench control`. The services over SQLite and an overlay in memory, in this process; accounts come by SQL, each
with an environment and a public share. CPU counts, as other work on the machine changes times and not that.
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

import gevent  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.control import TOKEN, seed, services_of  # noqa: E402
from tests.bench.kit import loaded, row  # noqa: E402
from zrokd.model.environment import EnvironmentDraft  # noqa: E402
from zrokd.model.share import NameSelection, ShareDraft, ShareMode  # noqa: E402

_TIMES, _AT_ONCE = 200, 8


def cpu_ms(function: Callable[[], object]) -> float:
    """Median CPU milliseconds of a call, all threads."""
    spent = []
    for _ in range(_TIMES):
        before = time.process_time()
        function()
        spent.append((time.process_time() - before) * 1000)
    return statistics.median(spent)


def measure(accounts: int) -> tuple[float, float]:
    """Print a row: CPU of an enable and of a share, and shares a second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        z_id = seed(folder, accounts=accounts, shares=0)
        seeded_s = time.monotonic() - began
        services = services_of(folder)
        ann = services.directory.holder_of(TOKEN)
        assert ann is not None and ann.account_id is not None
        place = EnvironmentDraft(account_id=ann.account_id, host="h")
        draft = ShareDraft(
            env_z_id=z_id, share_mode=ShareMode.PUBLIC, mode="proxy", target="http://127.0.0.1:1",
            selections=(NameSelection(namespace="public"),),
        )  # fmt: skip
        for _ in range(20):
            services.shares.share(draft, ann)
        share_ms = cpu_ms(lambda: services.shares.share(draft, ann))
        enable_ms = cpu_ms(lambda: services.environments.enable(place, ann))
        began = time.monotonic()
        jobs = [gevent.spawn(lambda: [services.shares.share(draft, ann) for _ in range(25)]) for _ in range(_AT_ONCE)]
        gevent.joinall(jobs, raise_error=True)
        rate = _AT_ONCE * 25 / (time.monotonic() - began)
        figures = f"enable {enable_ms:.2f} ms CPU, share {share_ms:.2f} ms CPU; {rate:.0f} shares/s"
        row(f"{accounts} accounts", "the services", figures, beside=f"{_AT_ONCE} at a time, seeded in {seeded_s:.0f} s")
        return enable_ms, share_ms


def main() -> None:
    """Measure without others and with 40,000."""
    print(loaded(), flush=True)
    few, many = measure(1), measure(40_000)
    for what, before, after in zip(("enable", "share"), few, many, strict=True):
        row(what, "the services", f"{after / before - 1:+.0%} with 40,000 accounts")


if __name__ == "__main__":
    main()
