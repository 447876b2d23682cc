"""Which page answers a request that failed."""

from __future__ import annotations

import math

from zrokd.errors import (
    MessageError,
    NoTerminator,
    NotFound,
    OverlayError,
    StreamError,
    StreamTimeout,
    Unavailable,
    UnknownService,
    UsedUp,
)
from zrokd.model.http import Fields, Respond
from zrokd.net.http1.pages import standard_page, used_up_page


def page_for(error: BaseException) -> Respond:
    """The page that answers a request which failed with `error`. The error's text stays with us."""
    if isinstance(error, MessageError):
        return standard_page(error.status)
    if isinstance(error, NotFound):
        return standard_page(404)
    if isinstance(error, NoTerminator | UnknownService):
        return standard_page(502)
    if isinstance(error, UsedUp):
        return used_up_page(*_retry_after(error))
    if isinstance(error, Unavailable):
        return standard_page(503, *_retry_after(error))
    if isinstance(error, StreamTimeout):
        return standard_page(504)
    if isinstance(error, StreamError | OverlayError):
        return standard_page(502)
    return standard_page(500)


def _retry_after(error: Unavailable) -> Fields:
    return ((b"Retry-After", str(math.ceil(error.retry_after_s)).encode()),)
