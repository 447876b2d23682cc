"""What a visitor gets of a share that lets nobody in."""

from __future__ import annotations

from zrokd.contracts import Stream
from zrokd.errors import MessageError
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.pages import used_up_page
from zrokd.proxy.respond import respond


def turn_away(stream: Stream, *, http: bool) -> None:
    """A page, or a broken connection where no HTTP is spoken. Switches greenlets; the caller closes the stream.

    :raises StreamError: it broke.
    """
    if not http:
        stream.abort()
        return
    client = HttpConnection(stream, HttpLimits())
    try:
        sent = client.read_request()
    except MessageError:
        stream.abort()
        return
    if sent is not None:
        respond(client, sent, used_up_page((b"Retry-After", b"300")), more=False)
