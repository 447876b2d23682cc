"""A page that shows what reached us: to see whether a share works before there is anything to share."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import PING_PATH, Caller, Mode, Settings, Stream
from zrokd.model.http import ExchangeSummary, Fields, RequestHead, printable, visitor_of
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.ping import pong
from zrokd.net.http1.server import HttpExchange, serve
from zrokd.net.http1.tracker import ConnectionTracker

_HIDDEN = ("authorization", "cookie", "token", "secret", "password", "api-key", "apikey", "credential")
_MOST_BODY_BYTES = 1 << 20
# Frontends keep an unused stream for less, so that it is they who end it.
_LIMITS = HttpLimits(body_bytes=_MOST_BODY_BYTES, keep_alive_s=120.0, keep_alive_requests=1 << 62)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem; color: #222 }}
th {{ text-align: left; vertical-align: top; padding-right: 1rem; white-space: nowrap }}
td {{ font-family: ui-monospace, monospace; overflow-wrap: anywhere }}
</style></head><body>
<h1>{title}</h1>
<p>This request came through zrokd to the share <b>{share}</b>.</p>
<table>{rows}</table>
<p><a href="?format=json">the same as JSON</a></p>
</body></html>
"""
_SAFE: Fields = (
    (b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Cache-Control", b"no-store"),
)


class HelloSettings(Settings):
    """Settings of mode.hello."""

    title: str = Field(default="Hello from zrokd", description="Heading of the page.")


class HelloMode(Mode):
    """Answers every request with a description of it; values of fields that carry credentials are left out."""

    name = "hello"
    http = True
    Settings = HelloSettings

    def __init__(self, settings: HelloSettings, ctx: Any) -> None:
        super().__init__(settings, ctx)
        self._tracker = ConnectionTracker()

    def serve(self, stream: Stream, caller: Caller) -> None:
        """Answer the requests of one connection."""
        serve(stream, lambda exchange: self._answer(exchange, caller), _LIMITS, log=self.ctx.log, tracker=self._tracker)

    def drain(self, deadline_s: float) -> None:  # noqa: ARG002
        """End idle connections; the others after their answer."""
        self._tracker.drain()

    def _answer(self, exchange: HttpExchange, caller: Caller) -> None:
        path, _, query = exchange.head.target.partition(b"?")
        if path == PING_PATH:
            exchange.respond(204, pong(self.share_token, exchange.head.target))
            return
        started = self.ctx.clock.monotonic()
        received = sum(len(piece) for piece in iter(exchange.read, b""))
        seen = self._seen(exchange.head, caller, received)
        if _wants_json(exchange.head, query):
            kind, body = b"application/json", json.dumps(seen, indent=2).encode() + b"\n"
        else:
            kind, body = b"text/html; charset=utf-8", self._page(seen)
        exchange.respond(200, ((b"Content-Type", kind), *_SAFE), body)
        self.ctx.hooks.on_exchange(
            ExchangeSummary(
                share_token=self.share_token,
                role="backend",
                peer=visitor_of(exchange.head) if self.public else exchange.peer,
                method=_text(exchange.head.method),
                target=printable(exchange.head.target),
                status=200,
                rx_bytes=received,
                tx_bytes=len(body),
                duration_s=self.ctx.clock.monotonic() - started,
            )
        )

    def _seen(self, head: RequestHead, caller: Caller, received: int) -> dict[str, Any]:
        return {
            "share": self.share_token,
            "method": _text(head.method),
            "target": printable(head.target),
            "version": f"HTTP/1.{head.minor}",
            "fields": [[_text(name), _value(name, value)] for name, value in head.fields],
            "body_bytes": received,
            "caller": {"identity": caller.identity, "address": caller.address},
        }

    def _page(self, seen: dict[str, Any]) -> bytes:
        pairs = [
            ("method", seen["method"]),
            ("target", seen["target"]),
            ("version", seen["version"]),
            *seen["fields"],
            ("body", f"{seen['body_bytes']} bytes"),
            ("caller", f"{seen['caller']['identity']} {seen['caller']['address']}"),
        ]
        rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>\n" for k, v in pairs)
        return _PAGE.format(
            title=html.escape(self.settings.title), share=html.escape(self.share_token), rows=rows
        ).encode()


def _wants_json(head: RequestHead, query: bytes) -> bool:
    if parse_qs(_text(query)).get("format") == ["json"]:
        return True
    accept = _text(head.get(b"accept") or b"").lower()
    return "application/json" in accept and "text/html" not in accept


def _value(name: bytes, value: bytes) -> str:
    lower = _text(name).lower()
    return "(hidden)" if any(word in lower for word in _HIDDEN) else _text(value)


def _text(data: bytes) -> str:
    return data.decode("latin-1")


@hookimpl
def zrokd_provide_modes() -> Iterable[type[Mode]]:
    """This mode."""
    return [HelloMode]
