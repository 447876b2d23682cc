"""Calls over HTTP to others, which may be ended at any time. Of the environment its proxies count, and nothing else.

urllib3 closes a socket whose connect fails, but not one whose greenlet is ended meanwhile.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout, make_headers
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, LocationValueError, NewConnectionError

from zrokd import __version__

_NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
_KEPT = 10  # connections to one place; more may be open, and are closed after their call


class _Connecting(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        try:
            # gevent's, under its patch: it closes what is cut.
            made = socket.create_connection((self._dns_host, self.port), self.timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no connection in time") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error
        made.setsockopt(*_NODELAY)
        return made


class _ConnectingTls(_Connecting, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connecting


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _ConnectingTls


class Calls:
    """Connections that are kept between calls. Several greenlets or threads may call at once. A context manager."""

    def __init__(self, *, verify: bool | str = True, direct: bool = False) -> None:
        """`verify`: whom to trust: those in a file or folder (PEM), True: those of the system, False: anybody.

        `direct`: past the proxies of the environment.
        """
        self._verify, self._direct = verify, direct
        self._pools: dict[tuple[str, str], PoolManager] = {}  # by scheme and proxy
        self._making = threading.Lock()

    def __enter__(self) -> Calls:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        connect_s: float,
        read_s: float,
    ) -> BaseHTTPResponse:
        """The answer, whose body is still to be read; the caller closes it. A redirect is an answer like any other.

        `read_s` is the longest silence. :raises urllib3.exceptions.HTTPError: there is none.
        :raises OSError: of whom to trust nothing can be read.
        """
        try:
            return self._pool(url).request(
                method,
                url,
                body=body,
                headers={"User-Agent": f"zrokd/{__version__}", **(headers or {})},
                timeout=Timeout(connect=connect_s, read=read_s),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except ValueError as error:  # of a host that is no name, say
            if isinstance(error, HTTPError):
                raise
            raise LocationValueError(str(error)) from error

    def close(self) -> None:
        """Close what is kept. Idempotent."""
        for pool in self._pools.values():
            pool.clear()

    def _pool(self, url: str) -> PoolManager:
        scheme, proxy = urlsplit(url).scheme, "" if self._direct else proxy_of(url)
        with self._making:
            if (scheme, proxy) not in self._pools:
                self._pools[scheme, proxy] = self._made(scheme, proxy)
            return self._pools[scheme, proxy]

    def _made(self, scheme: str, proxy: str) -> PoolManager:
        context = _context(verify=self._verify) if scheme == "https" else None
        made = _through(proxy, context) if proxy else PoolManager(maxsize=_KEPT, ssl_context=context)
        made.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return made


def _context(*, verify: bool | str) -> ssl.SSLContext:
    if isinstance(verify, str):
        folder = Path(verify).is_dir()
        context = ssl.create_default_context(cafile=None if folder else verify, capath=verify if folder else None)
    else:
        context = ssl.create_default_context()
        if not verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.wrap_socket = partial(_shaken, context.wrap_socket)  # type: ignore[method-assign]
    return context


def _shaken(wrap: Callable[..., ssl.SSLSocket], sock: socket.socket, **how: Any) -> ssl.SSLSocket:
    """As `SSLContext.wrap_socket`, which by itself does not close what is ended in the middle of a handshake."""
    made = wrap(sock, **how, do_handshake_on_connect=False)
    try:
        made.do_handshake()
    except BaseException:
        made.close()
        raise
    return made


def _through(proxy: str, context: ssl.SSLContext | None) -> ProxyManager:
    try:
        parts = urlsplit(proxy)
        who = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if parts.username else ""
        headers = make_headers(proxy_basic_auth=who.encode().decode("latin-1") or None)  # as UTF-8, in its words
        return ProxyManager(proxy, proxy_headers=headers, maxsize=_KEPT, ssl_context=context)
    except ValueError as error:
        raise LocationValueError(f"the proxy that the environment names cannot be used: {error}") from error


def reason_of(error: BaseException) -> str:
    """Why a call failed, in words of the system."""
    seen = innermost(error)
    return getattr(seen, "strerror", None) or " ".join(str(seen).split()) or type(seen).__name__


def innermost(error: BaseException) -> BaseException:
    """What is below the layers of the HTTP library."""
    seen = error
    while True:
        before = None if seen.__suppress_context__ else seen.__context__
        inner = getattr(seen, "reason", None) or seen.__cause__ or before
        if not isinstance(inner, BaseException) or inner is seen:
            return seen
        seen = inner


def proxy_of(url: str) -> str:
    """The URL of the proxy that the environment (HTTPS_PROXY, NO_PROXY and so on) wants for `url`; "" for none."""
    if not any(name.lower().endswith("_proxy") and value for name, value in os.environ.items()):
        return ""
    from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

    parts, proxies = urlsplit(url), getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy or proxy_bypass_environment(parts.netloc.rpartition("@")[2], proxies):
        return ""
    if _is_within(parts.hostname or "", proxies.get("no", "")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_within(host: str, networks: str) -> bool:
    """Whether an address is in one of them; Python's own way knows names and whole addresses only."""
    from ipaddress import ip_address, ip_network

    try:
        address = ip_address(host)
    except ValueError:
        return False
    for word in networks.split(","):
        try:
            if address in ip_network(word.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
