"""What a person sees while sharing: the address first, then requests, or connections, as they come. Hears hooks.

Never asks the terminal anything, so it may be slow but not stuck; without a terminal lines are plain.
"""

from __future__ import annotations

import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import IO, Any
from urllib.parse import urlsplit

from zrokd import hookimpl
from zrokd.cli.output import clean
from zrokd.cli.pace import Pace, Sum
from zrokd.model.http import ConnectionSummary, ExchangeSummary

_BOLD, _DIM, _GREEN, _YELLOW, _RED, _OFF = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"
_UNITS = ("B", "kB", "MB", "GB", "TB")


def make_screen(
    *,
    as_json: bool,
    qr: bool = False,
    plain: bool = False,
    target: str = "",
    role: str = "backend",
    words: Callable[[str], str] = str,
) -> Screen:
    """The screen that fits standard output and the wishes of its reader. `words` puts outcomes into theirs."""
    if as_json:
        return JsonScreen(role)
    tty = sys.stdout.isatty()
    colour = tty and not plain and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return TextScreen(role, target=target, colour=colour, qr=qr, words=words)


class Screen(ABC):
    """Shows exchanges of one role: the other one of a daemon would show the same visitors again."""

    def __init__(self, role: str, out: IO[str] | None = None) -> None:
        self._role = role
        self._out: IO[str] | None = out or sys.stdout
        self._draining = False
        self._pace = Pace()

    @hookimpl
    def zrokd_on_connection_closed(self, summary: ConnectionSummary) -> None:
        """One connection of any bytes; requests are told by themselves. Many at once are summed up."""
        if not summary.raw or summary.role != self._role:
            return
        self._tell_rest()
        if self._pace.admit(summary):
            self._connection(summary)

    def _tell_rest(self, *, at_end: bool = False) -> None:
        rest = self._pace.rest(at_end=at_end)
        if rest is not None:
            self._connections(rest)

    @abstractmethod
    def _connection(self, summary: ConnectionSummary) -> None:
        """Show one."""

    @abstractmethod
    def _connections(self, rest: Sum) -> None:
        """Show that there were these, too."""

    @abstractmethod
    def draining(self, open_connections: int, left_s: int, *, by_person: bool) -> None:
        """The drain goes on, for `left_s` seconds at most. The first call comes before idle connections are ended."""

    def ended(self, reason: str, code: int) -> None:  # noqa: ARG002
        """It ended, and will exit with this code. An error is told by whoever catches it."""
        self._tell_rest(at_end=True)

    def _line(self, text: str) -> None:
        if self._out is None:
            return
        try:
            self._out.write(text + "\n")
            self._out.flush()
        except (OSError, ValueError):  # nobody reads any more; go on sharing
            self._out = None


class JsonScreen(Screen):
    """One JSON object a line."""

    @hookimpl
    def zrokd_on_share_ready(self, token: str, urls: tuple[str, ...], verified: bool) -> None:  # noqa: FBT001
        """The share can be reached."""
        self._event("share_ready", share=token, urls=list(urls), verified=verified)

    @hookimpl
    def zrokd_on_share_lost(self, token: str, reason: str) -> None:
        """The share is not served now."""
        self._event("share_lost", share=token, reason=reason)

    @hookimpl
    def zrokd_on_access_ready(self, token: str, address: str) -> None:
        """The access listens."""
        self._event("access_ready", share=token, address=address)

    @hookimpl
    def zrokd_on_exchange(self, summary: ExchangeSummary) -> None:
        """One request and answer."""
        if summary.role != self._role:
            return
        self._event(
            "request",
            **_whose(summary),
            method=summary.method,
            target=summary.target,
            status=summary.status,
            **_measured(summary),
        )

    def _connection(self, summary: ConnectionSummary) -> None:
        self._event("connection", **_whose(summary), **_measured(summary))

    def _connections(self, rest: Sum) -> None:
        self._event("connections", count=rest.count, rx_bytes=rest.rx_bytes, tx_bytes=rest.tx_bytes)

    def draining(self, open_connections: int, left_s: int, *, by_person: bool) -> None:  # noqa: ARG002
        """The drain goes on. How many are open is told once those that nobody uses are not."""
        counted = {"open": open_connections} if self._draining else {}
        self._draining = True
        self._event("draining", **counted, left_s=left_s)

    def ended(self, reason: str, code: int) -> None:
        """The last line."""
        super().ended(reason, code)
        self._event("ended", reason=reason, code=code)

    def _event(self, event: str, **facts: object) -> None:
        self._line(json.dumps({"event": event, **facts}, ensure_ascii=False))


def _whose(summary: ExchangeSummary | ConnectionSummary) -> dict[str, Any]:
    return {"share": summary.share_token, **({"peer": summary.peer} if summary.peer else {})}


def _measured(summary: ExchangeSummary | ConnectionSummary) -> dict[str, Any]:
    return {
        "duration_s": round(summary.duration_s, 6),
        "rx_bytes": summary.rx_bytes,
        "tx_bytes": summary.tx_bytes,
        "outcome": summary.outcome,
    }


class TextScreen(Screen):
    """Lines for people."""

    def __init__(
        self,
        role: str,
        *,
        target: str = "",
        colour: bool = False,
        qr: bool = False,
        words: Callable[[str], str] = str,
        out: IO[str] | None = None,
    ) -> None:
        super().__init__(role, out)
        self._target, self._colour, self._qr = target, colour, qr
        self._words = words
        self._shown: set[tuple[str, ...]] = set()
        self._names: dict[str, str] = {}  # of shares, by token

    @hookimpl
    def zrokd_on_share_ready(self, token: str, urls: tuple[str, ...], verified: bool) -> None:  # noqa: FBT001
        """The address, once; later only that it works now."""
        self._names[token] = (urlsplit(urls[0]).hostname or token).partition(".")[0] if urls else token
        key = (token, *urls)
        if key in self._shown:
            self._line(self._paint(_GREEN, f"{' '.join(urls) or token} can be reached now"))
            return
        self._shown.add(key)
        if not urls:
            self._line(self._paint(_BOLD, f"zrokd access private {clean(token)}"))
            self._line(self._paint(_DIM, "opens this share on a machine of somebody who may"))
        for url in urls:
            self._show_url(url)
        if urls and not verified:
            self._line(self._paint(_YELLOW, "no request came through this address yet; it may need DNS or a moment"))

    def _show_url(self, url: str) -> None:
        arrow = f" -> {clean(self._target)}" if self._target else ""
        self._line(self._paint(_BOLD, clean(url)) + arrow)
        if (urlsplit(url).hostname or "").endswith(".localhost"):
            self._line(self._paint(_DIM, f"  without DNS: {clean(_curl(url))}"))
        if self._qr:
            self._line(qr_code(url))

    @hookimpl
    def zrokd_on_share_lost(self, token: str, reason: str) -> None:
        """The share is not served now."""
        self._line(self._paint(_YELLOW, f"share {clean(token)} was lost: {clean(reason)}; trying to get it back"))

    @hookimpl
    def zrokd_on_access_ready(self, token: str, address: str) -> None:
        """The access listens."""
        self._line(f"{self._paint(_BOLD, clean(address))} -> private share {clean(token)}")

    @hookimpl
    def zrokd_on_exchange(self, summary: ExchangeSummary) -> None:
        """One request and answer."""
        if summary.role != self._role:
            return
        status = self._paint(_colour_of(summary.status), str(summary.status or "---"))
        took, size = f"{summary.duration_s * 1000:.0f} ms", human_size(summary.tx_bytes)
        ended = "" if summary.outcome == "ok" else f"  {clean(self._words(summary.outcome))}"
        asked = f"{self._whose(summary.share_token)}{clean(summary.method):7} {clean(summary.target)[:100]}"
        self._line(f"{asked}  {status}  {took}  {size}{ended}")

    def _connection(self, summary: ConnectionSummary) -> None:
        ended = "" if summary.outcome == "ok" else f"  {clean(self._words(summary.outcome))}"
        who = f"{self._whose(summary.share_token)}{clean(summary.peer) or 'connection'}"
        self._line(f"{who}  {_moved(summary)}  {summary.duration_s:.1f} s{ended}")

    def _connections(self, rest: Sum) -> None:
        self._line(self._paint(_DIM, f"{rest.count} more connection{'s' * (rest.count > 1)}  {_moved(rest)}"))

    def draining(self, open_connections: int, left_s: int, *, by_person: bool) -> None:
        """That it ends, and if it takes longer than connections which nobody uses, what still runs."""
        again = ", Ctrl-C again to end now" if by_person else ""
        text = f"draining: {open_connections} open, {left_s} s left{again}" if self._draining else "ending"
        if open_connections or not self._draining:
            self._line(self._paint(_DIM, text))
        self._draining = True

    def _whose(self, token: str) -> str:
        """Which share it was for, where there are several."""
        width = max(map(len, self._names.values()), default=0)
        return f"{clean(self._names.get(token, token)):{width}}  " if len(self._names) > 1 else ""

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_OFF}" if self._colour else text


def _colour_of(status: int) -> str:
    return _GREEN if 200 <= status < 400 else _YELLOW if 400 <= status < 500 else _RED


def _moved(of: ConnectionSummary | Sum) -> str:
    return f"in {human_size(of.rx_bytes)}  out {human_size(of.tx_bytes)}"


def human_size(size_bytes: int) -> str:
    """1234567 -> "1.2 MB"."""
    size, unit = float(size_bytes), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def qr_code(text: str) -> str:
    """A QR code of half blocks; a sentence where the library for it is not installed."""
    try:
        import segno
    except ImportError:
        return "no QR code: install zrokd[tui]"
    import io

    out = io.StringIO()
    segno.make(text, micro=False).terminal(out, compact=True)
    return out.getvalue().rstrip("\n")


def _curl(url: str) -> str:
    """The command that asks this machine for a URL whose name nobody can look up."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    if parts.scheme == "https":  # the name has to stand in the handshake, too
        return f"curl --resolve {parts.hostname}:{parts.port or 443}:127.0.0.1 https://{parts.hostname}{port}/"
    return f"curl -H 'Host: {parts.hostname}' http://127.0.0.1{port}/"
