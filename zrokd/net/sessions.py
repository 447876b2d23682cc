"""How calls over HTTP get their connections: a call that is cut while it connects leaves no socket behind.

urllib3 closes a socket whose connect fails, but not one whose greenlet is ended meanwhile.
"""

from __future__ import annotations

import socket
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

_NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


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


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


def new_session() -> requests.Session:
    """A session whose calls may be ended at any time; the caller closes it."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session
