"""HTTPS to one of several equal controllers: bounded in time and size, connections kept."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent.lock import BoundedSemaphore

from zrokd import __version__
from zrokd.errors import OverlayError, OverlayTimeout

from .trust import why_distrusted

MAX_ANSWER_BYTES = 32 << 20  # 500 services of a page are some MiB
# A controller closes what is unused for five seconds. Source: openziti xweb, idleTimeout
_KEEP_S = 4.0
_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What a controller answered."""

    status: int
    body: bytes
    leaf: bytes = b""  # the server's certificate (DER)

    def json(self) -> Any:
        """The decoded body; {} when it is empty. :raises OverlayError: it is no JSON."""
        try:
            return json.loads(self.body) if self.body else {}
        except ValueError as error:
            raise OverlayError(
                f"the network's controller answered {self.status} with something else than JSON"
            ) from error


class Web:
    """Requests to the first of `urls` (https://host:port) that answers. Any greenlet may ask, some at a time wait."""

    def __init__(self, urls: Iterable[str], context: ssl.SSLContext, *, timeout_s: float) -> None:
        self._sites = deque(_Site(url, context) for url in urls)
        self._timeout_s = timeout_s
        self._room = BoundedSemaphore(_CONNECTIONS)
        self.trouble = ""  # why the last request got no answer
        self.on_back: Callable[[], object] = lambda: None  # one answers again; must not switch greenlets

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer of the first controller that gives one within the limit; that one is asked first next time.

        A request whose answer was lost is sent once more. Switches greenlets.
        :raises OverlayTimeout: the last one tried did not answer in time. :raises OverlayError: none can be reached.
        """
        sent = {"User-Agent": f"zrokd/{__version__}", "Accept": "application/json", **(headers or {})}
        failure: OverlayError | None = None
        for site in list(self._sites):
            try:
                answer = self._ask(site, method, path, body, sent)
            except OverlayError as error:
                failure = failure or error
                continue
            while self._sites[0] is not site and site in self._sites:
                self._sites.rotate(-1)
            if self.trouble:
                self.trouble = ""
                self.on_back()
            return answer
        failure = failure or OverlayError("the network has no controller")
        self.trouble = str(failure)
        raise failure

    def close(self) -> None:
        """Close what is unused now; the rest closes after its use. Idempotent."""
        for site in self._sites:
            site.close()

    def _ask(self, site: _Site, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            with gevent.Timeout(self._timeout_s, TimeoutError), self._room:
                return site.ask(method, path, body, headers, self._timeout_s)
        except TimeoutError:
            raise OverlayTimeout(
                f"the network's controller at {site.url} does not answer within {self._timeout_s:g} s"
            ) from None
        except ssl.SSLCertVerificationError as error:
            why = why_distrusted(error)
            raise OverlayError(f"the network's controller at {site.url} shows a certificate that {why}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise OverlayError(f"the network's controller at {site.url} cannot be reached: {reason}") from error


class _Connection(http.client.HTTPSConnection):
    """One that can also be closed while its handshake runs."""

    def __init__(self, host: str, port: int, *, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._tls = context

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = wrapped = self._tls.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        wrapped.do_handshake()


class _Site:
    """One controller and the connections to it."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        parts = urlsplit(url)
        self.url, self._context = url, context
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._base = parts.path.rstrip("/")
        self._kept: list[tuple[float, http.client.HTTPSConnection]] = []
        self._closed = False

    def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float) -> Answer:
        """One request. What its connection missed while it was unused is made good by a new one."""
        connection = self._take()
        if connection is not None:
            try:
                return self._exchange(connection, method, path, body, headers)
            except (ConnectionError, http.client.BadStatusLine, ssl.SSLEOFError):
                self.close_kept()
        fresh = _Connection(self._host, self._port, timeout=timeout_s, context=self._context)
        return self._exchange(fresh, method, path, body, headers)

    def close(self) -> None:
        self._closed = True
        self.close_kept()

    def close_kept(self) -> None:
        while self._kept:
            self._kept.pop()[1].close()

    def _exchange(
        self,
        connection: http.client.HTTPSConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        try:
            connection.request(method, f"{self._base}{path}", body, dict(headers))
            leaf = connection.sock.getpeercert(binary_form=True) or b""
            with connection.getresponse() as response:
                data = response.read(MAX_ANSWER_BYTES + 1)
                status, keep = response.status, not response.will_close
        except BaseException:  # also a timeout and a killed greenlet: half an exchange is on it
            connection.close()
            raise
        if len(data) > MAX_ANSWER_BYTES:
            connection.close()
            raise http.client.HTTPException(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
        self._give(connection, keep=keep)
        return Answer(status, data, leaf)

    def _take(self) -> http.client.HTTPSConnection | None:
        while self._kept:
            since, connection = self._kept.pop()
            if time.monotonic() - since < _KEEP_S:
                return connection
            connection.close()
        return None

    def _give(self, connection: http.client.HTTPSConnection, *, keep: bool) -> None:
        if keep and not self._closed:
            self._kept.append((time.monotonic(), connection))
        else:
            connection.close()
