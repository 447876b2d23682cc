"""Who asks: the authenticators of the YAML, one after another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import cast

from zrokd.contracts import Authenticator, Component, Directory
from zrokd.errors import Denied, Unavailable
from zrokd.model.account import Credentials, Principal


class Identifier:
    """Asks authenticators in order. One that raises denies: a broken one lets nobody in."""

    def __init__(
        self, authenticators: Callable[[], Sequence[Component]], directory: Directory, log: logging.Logger
    ) -> None:
        self._authenticators, self._directory, self._log = authenticators, directory, log

    def __call__(self, credentials: Credentials) -> Principal | None:
        """Who that is, or None. May switch greenlets. :raises Unavailable: that cannot be said now."""
        for component in self._authenticators():
            try:
                principal = cast(Authenticator, component).authenticate(credentials, self._directory)
            except Denied:
                return None
            except Unavailable:
                raise
            except Exception:  # noqa: BLE001  # whatever it was, it denies
                self._log.exception("the authenticator %s failed; denied", component.name)
                return None
            if principal is not None:
                return principal
        return None
