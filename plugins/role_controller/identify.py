"""Who asks: the authenticators of the YAML, one after another."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import cast

from zrokd.contracts import Authenticator, Component, Directory
from zrokd.errors import Denied, Unavailable
from zrokd.model.account import Credentials, Principal
from zrokd.net.faults import faults, within

_STRANGERS = 2  # at a time; more would take the threads that every query needs
_LOGINS = 16  # that authenticators look into at a time
_LOGIN_WAIT_S = 5.0
_MOST_KNOWN = 10_000
_LIMIT_S = 20.0  # of one authenticator: a directory's server may be slow


class Identifier:
    """Asks authenticators in order. One that raises denies: a broken one lets nobody in.

    Tokens that were never found good stand in a line of their own, so that guessing holds up nobody else. Every token
    is asked about every time: what we remember says only where it stands.
    """

    def __init__(
        self, authenticators: Callable[[], Sequence[Component]], directory: Directory, log: logging.Logger
    ) -> None:
        self._authenticators, self._directory, self._log = authenticators, directory, log
        self._strangers = threading.Semaphore(_STRANGERS)
        self._logins = threading.Semaphore(_LOGINS)
        self._known: dict[bytes, None] = {}  # digests of tokens found good, oldest first

    def __call__(self, credentials: Credentials) -> Principal | None:
        """Who that is, or None. May switch greenlets. :raises Unavailable: that cannot be said now."""
        proof = hashlib.sha256(credentials.token.encode("utf-8", "surrogatepass")).digest()
        with nullcontext() if proof in self._known else self._strangers:
            try:
                principal = self._ask(credentials)
            except Denied:
                principal = None
        self._known.pop(proof, None)
        if principal is not None:
            self._known[proof] = None
            if len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]
        return principal

    def prove(self, credentials: Credentials) -> Principal | None:
        """Who holds this name and password; None: no authenticator knows the name. Switches greenlets.

        :raises Denied: one knows the name, and it is not the password. :raises Unavailable: that cannot be said now.
        """
        if not self._logins.acquire(timeout=_LOGIN_WAIT_S):
            raise Unavailable("too many people log in; try again", retry_after_s=_LOGIN_WAIT_S)
        try:
            return self._ask(credentials)
        finally:
            self._logins.release()

    def _ask(self, credentials: Credentials) -> Principal | None:
        for component in self._authenticators():
            try:
                principal = within(_LIMIT_S, cast(Authenticator, component).authenticate, credentials, self._directory)
                if not isinstance(principal, Principal | None):
                    raise TypeError(f"an authenticator answers a Principal or None, not {principal!r}")
            except Denied as error:
                self._log.debug("the authenticator %s denies: %s", component.name, error)
                raise
            except Unavailable:
                raise
            except faults() as error:  # whatever it was, it denies
                self._log.exception("the authenticator %s failed; denied", component.name)
                raise Denied(f"the authenticator {component.name} failed") from error
            if principal is not None:
                return principal
        return None
