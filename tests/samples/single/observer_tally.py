"""Bytes of each share while the daemon ran, in a file when it drains."""

import json
from collections import Counter

from zrokd import hookimpl
from zrokd.contracts import Observer
from zrokd.model.http import ConnectionSummary


class TallyObserver(Observer):
    name = "tally"
    since_ms = 0

    def open(self) -> None:
        self.bytes: Counter[str] = Counter()

    @hookimpl
    def zrokd_on_ready(self) -> None:
        self.since_ms = self.ctx.clock.now_ms()

    @hookimpl
    def zrokd_on_connection_closed(self, summary: ConnectionSummary) -> None:
        self.bytes[summary.share_token] += summary.rx_bytes + summary.tx_bytes

    @hookimpl
    def zrokd_on_draining(self) -> None:
        told = {"since_ms": self.since_ms, "bytes": self.bytes}
        self.ctx.offload((self.ctx.state_dir / "tally.json").write_text, json.dumps(told))


@hookimpl
def zrokd_provide_observers() -> list[type[Observer]]:
    return [TallyObserver]
