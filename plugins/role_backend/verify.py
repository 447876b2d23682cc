"""Ask a public URL whether requests arrive here: every HTTP mode of zrokd answers the ping path itself."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from zrokd.contracts import PING_PATH
from zrokd.errors import NotFound
from zrokd.net.calls import Calls, reason_of
from zrokd.net.faults import within
from zrokd.net.http1.pages import standard_page
from zrokd.net.http1.ping import pong

_CLOSED = standard_page(503).body  # what a frontend shows for ever where it lacks the gate
_MOST_BYTES = 8192
_STOPPED = {302, 401, 403}  # by a gate on the way
_ASK_S = 2.0
_LONGEST_S = 2 * _ASK_S
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


def ask(url: str, token: str, *, gated: bool) -> str:
    """Why a request to `url` does not arrive at the share `token`, or "". Of a gated one we see the gate alone.

    May switch greenlets; takes a few seconds at most. :raises NotFound: the frontend there has no such gate.
    """
    ping = f"{PING_PATH.decode()}?{secrets.token_hex(8)}"  # made up anew: nobody can keep an answer for it
    place, fields = _reachable(url.rstrip("/") + ping)
    try:
        answer, body = within(_LONGEST_S, _answer, place, fields)  # it may be a stranger's, who answers for ever
    except (HTTPError, TimeoutError) as error:
        return f"{url} does not answer ({reason_of(error)})"
    if gated and answer.status in _STOPPED:
        return ""
    if gated and body == _CLOSED and "Retry-After" not in answer.headers:
        raise NotFound(f"{url} answers 503 for want of it; its operator knows which gates there are")
    if answer.status != 204:
        return f"{url} answers {answer.status}"
    [(name, value)] = pong(token, ping.encode())
    return "" if answer.headers.get(name.decode()) == value.decode() else f"{url} leads to something else"


def _answer(place: str, fields: dict[str, str]) -> tuple[BaseHTTPResponse, bytes]:
    with (
        Calls(direct=bool(fields)) as calls,  # no proxy knows our loopback
        calls.open("GET", place, fields, connect_s=_ASK_S, read_s=_ASK_S) as answer,
    ):
        return answer, answer.read(_MOST_BYTES)


def _reachable(url: str) -> tuple[str, dict[str, str]]:
    """A name below .localhost is this machine, also where the resolver does not know that. Source: RFC 6761 §6.3."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or not (host == "localhost" or host.endswith(".localhost")):
        return url, {}
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=f"127.0.0.1{port}")), {"Host": parts.netloc}


def ask_until(urls: tuple[str, ...], until: float, ask_one: Callable[[str], str]) -> str:
    """Ask until every URL answered or the monotonic time `until` came: why one did not, or "". Switches greenlets."""
    pause_s = _FIRST_PAUSE_S
    while True:
        reason = next(filter(None, map(ask_one, urls)), "")
        if not reason or time.monotonic() + pause_s > until:
            return reason
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
