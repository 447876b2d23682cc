"""The servers of a directory: which one is asked, and how a connection to it begins."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import ldap3
from ldap3.core.exceptions import LDAPException

from zrokd.contracts import Clock
from zrokd.errors import StartError, Unavailable
from zrokd.net.faults import within

from .settings import LdapSettings

T = TypeVar("T")
_REST_S = 30.0  # one that failed is asked after the others so long
_TOGETHER_S = 15.0  # all servers together; an authenticator has 20 s
_TROUBLED_S = 60.0  # told so long of trouble; only the next login finds out that it is over


class Trouble(Exception):
    """This server cannot be asked now, or not by us; another may do better."""


class Servers:
    """Asks one after another until one answers."""

    def __init__(self, settings: LdapSettings, clock: Clock, log: logging.Logger) -> None:
        """:raises StartError: the file of certificates cannot be read."""
        self._settings, self._clock, self._log = settings, clock, log
        self._trouble, self._troubled_s = "", 0.0
        self._failed_s: dict[str, float] = {}
        self._tls = _Tls(_trust(settings.ca))

    @property
    def trouble(self) -> str:
        """Why none answered lately; "" when one does."""
        return self._trouble if self._clock.monotonic() - self._troubled_s < _TROUBLED_S else ""

    def ask(self, question: Callable[[ldap3.Connection], T]) -> T:
        """What `question` answers on a connection that is encrypted, and closed afterwards. Switches greenlets.

        :raises Unavailable: no server answers in time. :raises Denied: as `question`.
        """
        troubles: list[str] = []
        try:
            answer = within(_TOGETHER_S, self._ask, question, troubles)
        except TimeoutError as error:
            raise self._away([*troubles, f"no answer within {_TOGETHER_S:g} s"]) from error
        self._trouble = ""
        return answer

    def _ask(self, question: Callable[[ldap3.Connection], T], troubles: list[str]) -> T:
        for url in self._in_order():
            try:
                with self._connected(url) as connection:
                    answer = question(connection)
            except (LDAPException, OSError, Trouble) as error:
                self._failed_s[url] = self._clock.monotonic()
                troubles.append(f"{url}: {error}")
            else:
                self._failed_s.pop(url, None)
                return answer
        raise self._away(troubles)

    def _in_order(self) -> list[str]:
        """As in the YAML, but for those that failed lately, which come last."""
        now_s = self._clock.monotonic()
        return sorted(self._settings.servers, key=lambda url: now_s - self._failed_s.get(url, -_REST_S) < _REST_S)

    def _away(self, troubles: list[str]) -> Unavailable:
        self._trouble = f"the directory cannot be asked: {'; '.join(troubles)}"
        self._troubled_s = self._clock.monotonic()
        self._log.warning("%s", self._trouble)
        return Unavailable("the directory of people does not answer; try again")  # names of servers are for the log

    @contextmanager
    def _connected(self, url: str) -> Iterator[ldap3.Connection]:
        wait_s = int(self._settings.timeout)  # ldap3 packs whole seconds
        server = ldap3.Server(url, get_info=ldap3.NONE, tls=self._tls, connect_timeout=wait_s)
        connection = ldap3.Connection(
            server, receive_timeout=wait_s, auto_referrals=False, check_names=False, auto_range=False
        )
        try:
            connection.open(read_server_info=False)
            if not server.ssl and not self._settings.plain and not connection.start_tls(read_server_info=False):
                raise Trouble("it refuses StartTLS")
            yield connection
        finally:
            _close(connection)


def _close(connection: ldap3.Connection) -> None:
    """Cut it: who was in the middle of something need not say good-bye."""
    if connection.socket is not None:
        connection.socket.close()


class _Tls(ldap3.Tls):  # type: ignore[misc]  # ldap3 has no types
    """TLS by the standard library's rules, host names and addresses included, in place of ldap3's own check."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._trust = trust

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: FBT001, FBT002 - ldap3's own
        connection.socket = self._trust.wrap_socket(
            connection.socket, server_hostname=connection.server.host, do_handshake_on_connect=do_handshake
        )


def _trust(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except OSError as error:  # an SSLError is one
        raise StartError(f"the certificates in {ca} cannot be read: {error.strerror or error}") from error
