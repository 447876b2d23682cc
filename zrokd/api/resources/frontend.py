"""What frontends ask, and what the operator asks of them."""

from __future__ import annotations

from zrokd.api.call import OK, Call, Done, Found, Later, Listed, queried, shaped
from zrokd.wire import answers
from zrokd.wire.requests import mappings_query_from_wire
from zrokd.wire.usage_requests import USAGE_SCHEMA, usage_from_wire


@queried("epoch", "since", "wait_s")
def mappings(call: Call) -> Listed:
    """GET /zrokd/mappings?epoch=E&since=N&wait_s=S: waits for news, and holds next to nothing meanwhile."""
    asked = mappings_query_from_wire(call.query, max_wait_s=call.settings.max_wait_s)
    frontends = call.services.frontends
    wait_for_news = frontends.news()  # from before reading, so that none falls between
    changes = frontends.mappings(call.principal.frontend, asked.epoch, asked.since)
    if call.may_wait and asked.wait_s > 0 and not (changes.full or changes.mappings):
        raise Later(lambda: wait_for_news(asked.wait_s))
    return Listed(lambda: answers.changes_to_wire(changes))


def identity(call: Call) -> Found:
    """GET /zrokd/identity."""
    return Found(answers.identity_to_wire(call.services.frontends.identity(call.principal.frontend)))


def listing(call: Call) -> Found:
    """GET /zrokd/frontends."""
    return Found([answers.frontend_to_wire(name) for name in call.services.frontends.list()])


@shaped(USAGE_SCHEMA)
def usage(call: Call) -> Done:
    """POST /zrokd/usage: what a frontend counted since its last report, taken as counted now.

    The last `batch` of a `reporter` counts once, however often it is told.
    """
    call.services.usage.report(call.principal.frontend, usage_from_wire(call.body))
    return OK
