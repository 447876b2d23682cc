"""What a connection passes before its first request: a balancer's PROXY header, then TLS."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable
from typing import Any

from pydantic import Field

from zrokd.contracts.overlay import Stream
from zrokd.contracts.settings import DurationS, NetworkSetting, Settings
from zrokd.errors import Invalid, StreamError
from zrokd.net.http1.answer import refuse
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.proxy_protocol import HeaderReader
from zrokd.net.stream import SocketStream
from zrokd.net.tls.server import NoTls, TlsServer
from zrokd.net.tls.settings import TlsSettings

_TELL_EVERY_S = 60.0
_HINT = "this port speaks HTTPS: write https:// in front of the address"


class ProxyProtocolSettings(Settings):
    """A PROXY header at the beginning of each connection."""

    trusted: list[NetworkSetting] = Field(
        min_length=1,
        description="Addresses or networks of the balancers that send it, v1 or v2; who connects from elsewhere, or "
        "without it, is refused. UNIX sockets are trusted.",
    )
    time: DurationS = Field(default=3.0, gt=0, description="How long the header may take.")


class Threshold:
    """Gives what passed to `handle`. Give it to a Listener as its own `handle`."""

    def __init__(
        self,
        handle: Callable[[Stream], None],
        offload: Callable[..., Any],
        log: logging.Logger,
        welcomes: Callable[[str], bool] = lambda _peer: True,
    ) -> None:
        """`welcomes(peer)`: whether it is worth the effort to agree on keys with it."""
        self._handle, self._offload, self._log, self._welcomes = handle, offload, log, welcomes
        self._tls: TlsServer | None = None
        self._announced: ProxyProtocolSettings | None = None
        self._trusted: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._told_s = -_TELL_EVERY_S

    def change(self, tls: TlsSettings | None, announced: ProxyProtocolSettings | None) -> None:
        """Connections that come from now on pass these; those inside stay. Takes milliseconds for each certificate."""
        if tls is None or self._tls is None or tls != self._tls.settings:
            self._tls = TlsServer(tls, self._offload) if tls else None
        self._announced = announced
        self._trusted = [ipaddress.ip_network(text, strict=False) for text in (announced.trusted if announced else ())]

    @property
    def scheme(self) -> str:
        """How URLs that lead here begin."""
        return "https" if self._tls else "http"

    def __call__(self, stream: SocketStream) -> None:
        """Serve one connection. Switches greenlets; the caller closes the stream. :raises StreamError: it broke."""
        if self._announced and not self._is_announced(stream, self._announced.time):
            stream.abort()
            return
        if self._tls is None:
            self._handle(stream)
        elif self._welcomes(stream.peer):
            self._serve_inside(stream, self._tls)
        else:
            stream.abort()

    # -- PROXY protocol ---

    def _is_announced(self, stream: SocketStream, limit_s: float) -> bool:
        """Learn who connects. The log is told why somebody is refused, once a minute: a flood must not fill it."""
        try:
            if not self._trusts(stream.peer):
                raise Invalid("it is not among the trusted balancers of proxy_protocol")
            source = _announced(stream, limit_s)
        except (Invalid, StreamError) as error:
            now_s = time.monotonic()
            level = logging.WARNING if now_s - self._told_s >= _TELL_EVERY_S else logging.DEBUG
            self._told_s = now_s if level == logging.WARNING else self._told_s
            self._log.log(level, "a connection from %s was refused: %s", stream.peer, error)
            return False
        stream.peer = str(source) if source else stream.peer
        return True

    def _trusts(self, peer: str) -> bool:
        if peer.startswith("unix:"):
            return True
        address = ipaddress.ip_address(peer.rpartition(":")[0].strip("[]").partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._trusted)

    # -- TLS ---

    def _serve_inside(self, stream: SocketStream, tls: TlsServer) -> None:
        try:
            inside = tls.welcome(stream)
        except NoTls as error:
            if error.came[:1].isalpha():
                refuse(HttpConnection(stream, HttpLimits()), 400, _HINT)
            return
        try:
            self._handle(inside)
        finally:
            inside.close()


def _announced(stream: SocketStream, limit_s: float) -> Any:
    """Who connects, as the header says; None: the balancer itself. Reads nothing of what follows."""
    until_s = time.monotonic() + limit_s
    header = HeaderReader()
    while header.wants:
        data = stream.recv(header.wants, max(until_s - time.monotonic(), 0.0))
        if not data:
            raise StreamError("it ended within its PROXY header")
        header.feed(data)
    return header.source
