"""The audit trail."""

from __future__ import annotations

from zrokd.api.call import Call, Listed, queried
from zrokd.wire import audit
from zrokd.wire.fields import number, text

_MOST = 1000
_HIGHEST = 2**48  # of numbers and milliseconds alike


@queried("after", "since", "account", "limit")
def listing(call: Call) -> Listed:
    """GET /zrokd/audit: records behind number `after`, since Unix milliseconds `since`, and both ends of the chain."""
    query = call.query
    page = call.services.trail.page(
        int(number(query, "after", highest=_HIGHEST)),
        int(number(query, "limit", highest=_MOST)) or _MOST,
        since_ms=int(number(query, "since", highest=_HIGHEST)),
        account=text(query, "account").strip().lower(),
    )
    return Listed(lambda: audit.page_to_wire(page.checkpoint, page.head, page.records))
