"""A gate that opens in office hours only."""

import time

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import Gate, Settings
from zrokd.model.http import Allow, RequestHead, Respond, Route, Verdict


class HoursSettings(Settings):
    opens: int = Field(default=9, ge=0, le=24, description="First open hour.")
    closes: int = Field(default=17, ge=0, le=24, description="First closed hour.")


class HoursGate(Gate):
    name = "hours"
    Settings = HoursSettings

    def check(self, head: RequestHead, route: Route) -> Verdict:
        hour = time.localtime(self.ctx.clock.now_ms() / 1000).tm_hour
        return Allow() if self.settings.opens <= hour < self.settings.closes else Respond(403, b"Closed now.\n")


@hookimpl
def zrokd_provide_gates() -> list[type[Gate]]:
    return [HoursGate]
