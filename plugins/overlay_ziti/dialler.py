"""Connect to a router: TCP, TLS with our certificate, hello."""

from __future__ import annotations

import logging
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import gevent

from zrokd.errors import OverlayError

from .channel import Channel, Spawn
from .closings import Closings
from .edge import EdgeApi
from .frames import Frame, Key, Kind
from .identity import IdentityFile
from .settings import EdgeSettings
from .trust import why_distrusted

_PROTOCOL = "ziti-edge"
_HELLO_S = 1.0  # a router welcomes an API session that it does not know, keeps silent for 5 s, and hangs up
_RENEW_S = 2.0
_GROUP = [(Key.GROUP_TYPE, b"edge.default"), (Key.GROUPED, b"\x01"), (Key.GROUP_FIRST, b"\x01")]


class Dialler:
    """Makes channels for one identity."""

    def __init__(
        self, identity: IdentityFile, api: EdgeApi, settings: EdgeSettings, log: logging.Logger, spawn: Spawn
    ) -> None:
        self._identity, self._api, self._settings, self._log, self._spawn = identity, api, settings, log, spawn
        self._closings = Closings(api.refresh, api.wait_back, log, spawn)

    def connect(self, url: str) -> Channel:
        """A channel to the router at `url`, ready to be used. Switches greenlets. :raises OverlayError: none.

        A router that does not answer our hello may not know our API session: then the controller is asked, and the
        router once more.
        """
        try:
            return self._connect(url, min(_HELLO_S, self._settings.connect_timeout))
        except _NoAnswer:
            self._renew()
            return self._connect(url, self._settings.connect_timeout)

    def _renew(self) -> None:
        try:
            with gevent.Timeout(_RENEW_S, False):
                self._api.refresh()
        except OverlayError as error:
            self._log.debug("the controller cannot be asked whether it knows us: %s", error)

    def _connect(self, url: str, hello_s: float) -> Channel:
        parts = urlsplit(url)
        router = f"{parts.hostname}:{parts.port}"
        sock = self._open(router, parts.hostname or "", parts.port or 443)
        channel = Channel(
            sock, router, settings=self._settings, closings=self._closings, log=self._log, spawn=self._spawn
        )
        try:
            self._greet(channel, hello_s)
        except BaseException:
            channel.close("the router did not take our hello")
            raise
        return channel

    def _open(self, router: str, host: str, port: int) -> Any:
        try:
            raw = socket.create_connection((host, port), timeout=self._settings.connect_timeout)
            return self._secure(raw, host)
        except ssl.SSLCertVerificationError as error:
            raise OverlayError(f"router {router} shows a certificate that {why_distrusted(error)}") from error
        except OSError as error:
            raise OverlayError(f"router {router} cannot be reached: {error.strerror or error}") from error

    def _secure(self, raw: socket.socket, host: str) -> Any:
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = self._identity.ssl_context([_PROTOCOL])
            sock = context.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
        except BaseException:
            raw.close()
            raise
        try:
            sock.do_handshake()
            sock.settimeout(None)
        except BaseException:  # we may be killed meanwhile
            sock.close()
            raise
        return sock

    def _greet(self, channel: Channel, limit_s: float) -> None:
        seen = self._api.generation
        answer = self._hello(channel, self._api.token, limit_s)
        if not answer.flag(Key.OK):
            answer = self._hello(channel, self._api.authenticate(seen), limit_s)
        if not answer.flag(Key.OK):
            words = answer.body.decode("utf-8", "replace") or "no reason given"
            raise OverlayError(f"router {channel.router} refused us: {words}")

    def _hello(self, channel: Channel, token: str, limit_s: float) -> Frame:
        fields = [(Key.TOKEN, token.encode()), *_GROUP]
        try:
            answer = channel.request(Kind.HELLO, fields, b"zrokd", limit_s)
            if answer.flag(Key.OK):
                channel.measure(limit_s)
            return answer
        except OverlayError as error:
            raise _NoAnswer(str(error)) from error


class _NoAnswer(OverlayError):
    """The router took our hello and said nothing, or hung up."""
