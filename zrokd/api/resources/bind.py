"""Whether shares are reached."""

from __future__ import annotations

from zrokd.api.call import Call, Found, Listed, shaped
from zrokd.wire import binds as wire


@shaped(wire.REPORT_SCHEMA)
def report(call: Call) -> Found:
    """POST /zrokd/binds: what a backend tells of the shares it serves.

    What it told before and does not name still stands. It tells at once what changed, and every four seconds that it
    lives. `again` in the answer asks it to tell all.
    """
    known = call.services.binds.report(wire.report_from_wire(call.body), call.principal)
    return Found(wire.heard_to_wire(known=known))


def listing(call: Call) -> Listed:
    """GET /zrokd/binds: of each share of the account's, whether visitors reach it, since when, and why not."""
    found = call.services.binds.list(call.principal)
    return Listed(lambda: wire.standings_to_wire(found))
