"""Warns people of what strangers share, by a page that stands before it until they choose to go on.

As zrok's, with the same header and cookie to pass it. Source: reference of zrok 2, `interstitial` of its frontends.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined, TemplateError
from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import DurationS, Filter, Settings
from zrokd.errors import StartError
from zrokd.model.http import Fields, RequestHead, Respond, Route
from zrokd.model.naming import canonical_host

PATH = b"/.zrokd/interstitial"  # the one path of a share that is ours: where the page's button leads
_COOKIE = b"zrok_interstitial"
_HOST_COOKIE = b"__Host-" + _COOKIE  # which no other share of the zone can set. Source: RFC 6265bis §4.1.3.2
_SKIP = frozenset([b"skip_zrok_interstitial", b"skip-zrok-interstitial"])  # many proxies drop fields with `_`
_VISIBLE = bytes(range(0x21, 0x7F)).decode()
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Before you go on to {{ host }}</title>
<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:14vh auto;padding:0 1rem}
p{opacity:.8}b{overflow-wrap:anywhere}button{font:inherit;padding:.5rem 1.2rem}</style></head>
<body><h1>Do you trust who shares this?</h1>
<p>What is under <b>{{ host }}</b> comes from the computer of somebody who uses this service, and nobody here has looked
at it. Go on if you know who gave you this address.</p>
<p>Type in no password and no number of a card unless you are sure whose page it is.</p>
<form method="post" action="{{ action }}"><button>Go on</button></form></body></html>
"""


class InterstitialSettings(Settings):
    """Settings of filter.interstitial."""

    user_agents: list[str] = Field(
        default=["Mozilla/"],
        description="How the User-Agent of those begins who are warned; with an empty list everybody is who asks for a "
        "page.",
    )
    remember: DurationS = Field(
        default=7 * 86400.0, ge=1.0, description="How long who went on is not warned again of the same host."
    )
    page: str = Field(
        default="",
        description="File of an HTML page of yours, a Jinja2 template in which `host` is what is visited and `action` "
        "where its form posts to. No scripts run in it, and its style stands in <style>. Left out: ours.",
    )
    https: bool | None = Field(
        default=None,
        description="Whether visitors come by https: true where a reverse proxy in front ends TLS. Left out: they do "
        "where this frontend ends it.",
    )


class InterstitialFilter(Filter):
    """Shows the page to browsers that are about to show something, unless its owner's account is trusted."""

    name = "interstitial"
    Settings = InterstitialSettings
    before_gate = True  # it warns of a share that asks for passwords, too

    def __init__(self, settings: InterstitialSettings, ctx: Any) -> None:
        super().__init__(settings, ctx)
        self._agents = tuple(prefix.encode() for prefix in settings.user_agents)
        self._markup = Environment(autoescape=True, undefined=StrictUndefined)
        self._page = self._markup.from_string(_PAGE)

    def open(self) -> None:
        """Read the operator's page. :raises StartError: it cannot be read, or is no template."""
        if not self.settings.page:
            return
        try:
            self._page = self._markup.from_string(self.ctx.offload(Path(self.settings.page).read_text, "utf-8"))
            self._page.render(host="", action="")
        except (OSError, UnicodeDecodeError, TemplateError) as error:
            raise StartError(f"the page {self.settings.page} of the filter interstitial: {error}") from error

    def on_request(self, head: RequestHead, route: Route, peer: str) -> RequestHead | Respond:  # noqa: ARG002
        """The page, the way back from it, or `head` without our cookie."""
        path, _, target = head.target.partition(b"?")
        if path == PATH and head.method == b"POST":
            return self._go_on(head, target) if _from_here(head, route) else self._warn(route, target)
        if route.interstitial and self._warns(head):
            return self._warn(route, head.target)
        return _without_cookie(head)

    def _warns(self, head: RequestHead) -> bool:
        if not _shows_answer(head) or not _SKIP.isdisjoint(head.names):
            return False
        agent = head.get(b"user-agent") or b""
        if self._agents and not agent.startswith(self._agents):
            return False
        return self._cookie(head) not in map(_name, _cookies(head))

    def _warn(self, route: Route, target: bytes) -> Respond:
        wanted = _local(quote(target, safe=_VISIBLE).encode())
        text = self._page.render(host=route.host, action=(PATH + b"?" + wanted).decode())
        return Respond(200, text.encode(), (*_PAGE_FIELDS, (b"Content-Security-Policy", _policy(text))))

    def _go_on(self, head: RequestHead, target: bytes) -> Respond:
        # A form that another site posts, as sign-ins and payments do, carries no cookie of a stricter kind; and this
        # one lets nobody do anything.
        kind = b"SameSite=None; Secure" if self._secure(head) else b"SameSite=Lax"
        lasts = int(self.settings.remember)
        cookie = b"%s=1; Path=/; Max-Age=%d; HttpOnly; %s" % (self._cookie(head), lasts, kind)
        return Respond(303, b"", ((b"Location", _local(target)), (b"Set-Cookie", cookie), *_UNKEPT))

    def _cookie(self, head: RequestHead) -> bytes:
        return _HOST_COOKIE if self._secure(head) else _COOKIE

    def _secure(self, head: RequestHead) -> bool:
        return head.secure if self.settings.https is None else self.settings.https


def _shows_answer(head: RequestHead) -> bool:
    """Whether a browser is about to show what comes: no part of a page, no script's request, no websocket.

    Source: Fetch Metadata §2.2; browsers say no mode over plain http.
    """
    if head.method == b"OPTIONS" or b"upgrade" in head.names:
        return False
    mode = head.get(b"sec-fetch-mode")
    return b"text/html" in (head.get(b"accept") or b"") if mode is None else mode == b"navigate"


def _from_here(head: RequestHead, route: Route) -> bool:
    """Whether our own page posted this: another site may not go on in the visitor's stead."""
    site = head.get(b"sec-fetch-site")
    if site is not None:
        return site == b"same-origin"
    origin = (head.get(b"origin") or b"").decode("latin-1")
    return canonical_host(origin.partition("://")[2]) == route.host


def _local(target: bytes) -> bytes:
    """`target` as a place on this host, whatever it looks like: `//host` and `/\\host` would lead away."""
    if not target.startswith(b"/") or not all(0x21 <= byte <= 0x7E for byte in target):
        return b"/"
    return b"/." + target if target[1:2] in (b"/", b"\\") else target


def _cookies(head: RequestHead) -> list[bytes]:
    return [pair.strip() for value in head.all(b"cookie") for pair in value.split(b";")]


def _name(pair: bytes) -> bytes:
    return pair.partition(b"=")[0].strip()


def _without_cookie(head: RequestHead) -> RequestHead:
    """A share is not told that its visitor was warned. What else is in the field stays as it was sent."""
    if not any(_COOKIE in value for value in head.all(b"cookie")):
        return head
    kept = [pair for pair in _cookies(head) if _name(pair) not in (_COOKIE, _HOST_COOKIE)]
    return head.with_field(b"Cookie", b"; ".join(kept)) if kept else head.without(b"cookie")


def _policy(text: str) -> bytes:
    """Nothing but the page's own style and its form."""
    digests = (hashlib.sha256(style.encode()).digest() for style in _STYLE.findall(text))
    styles = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; style-src {styles}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ).encode()


_UNKEPT: Fields = ((b"Cache-Control", b"no-store"), (b"Referrer-Policy", b"same-origin"))
_PAGE_FIELDS: Fields = (
    (b"Content-Type", b"text/html; charset=utf-8"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Robots-Tag", b"noindex"),
    *_UNKEPT,
)


@hookimpl
def zrokd_provide_filters() -> list[type[Filter]]:
    """The filter of this module."""
    return [InterstitialFilter]
