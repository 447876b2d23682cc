"""Letters on their way: kept by the change that they tell of, sent once it is committed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from zrokd.model.naming import new_token
from zrokd.model.site import Letter
from zrokd.service import letters
from zrokd.service.core import Core
from zrokd.store import outbox, proofs
from zrokd.store.hashing import digest
from zrokd.store.outbox import Waiting

MOST_TRIES = 8
PAUSE_S = 15.0  # between two tries; twice as long each time: half an hour in all
_SOME = 100

_log = logging.getLogger("zrokd.service")


class Outbox:
    """What waits to be sent, of all controllers of a database. A letter is sent by one of them."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def send(self, deliver: Callable[[Letter], str]) -> None:
        """Send what is due. `deliver` says why a letter is not out, or "". Switches greenlets.

        A letter that was being sent when its controller died is sent again, with the same key.
        :raises StoreError: not now.
        """
        while some := self._core.store.read(outbox.due, self._core.clock.now_ms(), _SOME):
            for one in some:
                self._send(one, deliver)

    def _send(self, one: Waiting, deliver: Callable[[Letter], str]) -> None:
        letter = self._core.store.write(self._take, one)
        if letter is None:
            return
        trouble = deliver(letter)
        if trouble and one.tries + 1 < MOST_TRIES:
            _log.warning("a letter (%s) was not sent, and is tried again: %s", letter.subject, trouble)
            return
        if trouble:
            _log.error("a letter (%s) is given up after %d tries: %s", letter.subject, MOST_TRIES, trouble)
        self._core.store.write(outbox.end, one.id)

    def _take(self, one: Waiting) -> Letter | None:
        """The letter, ours to send; None when somebody else sends it, or nobody needs it any more."""
        now_ms = self._core.clock.now_ms()
        if not outbox.take(one, now_ms + int(PAUSE_S * 1000 * 2**one.tries)):
            return None
        if one.tries < MOST_TRIES:
            letter = one.letter or self._write(one, now_ms)
            if letter is not None:
                return replace(letter, key=one.key)
        else:
            _log.error("a letter is given up: controllers died at it %d times", MOST_TRIES)
        outbox.end(one.id)
        return None

    def _write(self, one: Waiting, now_ms: int) -> Letter | None:
        """A letter with a token of its own, which stands in place of what was sent before."""
        site, token = self._core.site, new_token()
        if one.kind == outbox.REGISTER:
            expires_at_ms = now_ms + int(site.register_within_s * 1000)
            if proofs.renew_registration(one.email, digest(token), expires_at_ms):
                return letters.to_register(one.email, token, site.register_url, site.register_within_s)
        if one.kind == outbox.RESET:
            expires_at_ms = now_ms + int(site.reset_within_s * 1000)
            if proofs.renew_reset(one.email, digest(token), expires_at_ms):
                return letters.to_reset(one.email, token, site.reset_url, site.reset_within_s)
        return None
