"""Answers of our own to a visitor: a gate's, a filter's, or a page."""

from __future__ import annotations

from zrokd.errors import StreamError
from zrokd.model.http import RequestHead, Respond
from zrokd.net.http1.answer import answer
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.forward import Forwarded
from zrokd.net.http1.framing import NONE, Framing

_BODILESS = (NONE, Framing("length", 0))


def respond(client: HttpConnection, sent: RequestHead | None, told: Respond, *, more: bool = True) -> Forwarded:
    """Send `told` as the answer to `sent` (None: it could not be read). Switches greenlets.

    The connection serves another request only when `more`, and when the request has no body that nobody read.
    """
    keep = more and sent is not None and client.framing in _BODILESS
    status, outcome, again = told.status, "ok", False
    try:
        again = answer(client, told.status, told.fields, told.body, request=sent, keep_alive=keep)
    except StreamError as error:
        status, outcome = 0, f"client: {error}"
    return Forwarded(
        status=status,
        rx=0,
        tx=len(told.body) if status else 0,
        reusable_client=again,
        reusable_upstream=False,
        outcome=outcome,
    )
