"""A request that creates something is carried out once, however often it is made with the same key.

An answer may hold a secret that is shown once, so it is kept sealed, under a key made of what the caller shows each
time and we do not keep: the API token and the Idempotency-Key. Who reads the database reads
neither answers nor requests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nacl.secret import SecretBox

from zrokd.errors import Conflict, Invalid, KeyReused, ZrokdError
from zrokd.service.core import Core
from zrokd.store import receipts
from zrokd.store.receipts import Asked, Carried

_KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
_LONGEST_MS = 120_000  # that a request runs: whoever is at one for longer is not any more
_MOST_BYTES = 256 * 1024

_log = logging.getLogger("zrokd.service")


def parse_key(field: str) -> str:
    """The key in an Idempotency-Key field: a text in quotes, or without. :raises Invalid: it is none.

    Source: draft-ietf-httpapi-idempotency-key-header-07 §2.1.
    """
    found = _KEY.fullmatch(field.strip())
    if not found:
        raise Invalid("the Idempotency-Key must be 1 to 255 printable ASCII characters, in quotes")
    return found[1] or found[2]


@dataclass(frozen=True, slots=True)
class Seal:
    """Made of what the caller shows each time."""

    secret: bytes

    @classmethod
    def of(cls, token: str, key: str) -> Seal:
        """The one for an API token and a key."""
        return cls(hmac.digest(token.encode(), b"receipt\0" + key.encode(), hashlib.sha256))

    def digest(self, purpose: str, text: bytes = b"") -> str:
        """A name for `text` that tells nothing of it to who has no token."""
        return hmac.new(self.secret, purpose.encode() + b"\0" + text, hashlib.sha256).hexdigest()

    def close(self, answer: bytes) -> str:
        """`answer`, sealed."""
        return base64.b64encode(SecretBox(self._box_key()).encrypt(answer)).decode()

    def open(self, sealed: str) -> bytes:
        """What `close` was given."""
        return SecretBox(self._box_key()).decrypt(base64.b64decode(sealed))

    def _box_key(self) -> bytes:
        return hmac.digest(self.secret, b"answer", hashlib.sha256)


class Receipts:
    """Answers of one day, at most a thousand of a caller."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def once(
        self,
        caller: str,
        token: str,
        key: str,
        request: bytes,
        perform: Callable[[], bytes],
        answer_to: Callable[[Any], bytes],
    ) -> bytes:
        """What `perform` returns; when the same was asked before, what it returned then, without performing it.

        It is `answer_to` what is made, and kept in the transaction that makes it. What `perform` raises before is
        raised, and nothing is kept: whoever asks again begins anew. So does who asks for what a crash cut off.
        :raises KeyReused: the key came with another request before. :raises Conflict: the first one still runs.
        """
        seal = Seal.of(token, key)
        asked = Asked(digest=seal.digest("key"), request=seal.digest("request", request), caller=caller)
        before = self._core.store.write(self._begin, asked)
        if before:
            return seal.open(before)
        sealed = Carried(
            digest=asked.digest, worker=self._core.worker, seal=lambda thing: _sealed(seal, answer_to(thing))
        )
        try:
            with receipts.carrying(sealed):
                return perform()
        finally:  # also when the greenlet is killed; an answer that was kept stays
            self._try(lambda: receipts.drop(asked.digest, self._core.worker))

    def prune(self) -> int:
        """Forget what is too old to be asked again. How many."""
        return self._core.store.write(receipts.prune, self._core.clock.now_ms())

    def _begin(self, asked: Asked) -> str:
        """The sealed answer of before, or "": it is ours to carry out."""
        now_ms, worker = self._core.clock.now_ms(), self._core.worker
        before = receipts.find(asked.digest, now_ms)
        if before is not None and not hmac.compare_digest(before.request, asked.request):
            raise KeyReused("this Idempotency-Key came with another request before; each request needs its own")
        if before is not None and before.answer:
            return before.answer
        is_dead = before is not None and self._core.store.alone and before.worker != worker
        if before is not None and not is_dead and before.at_ms > now_ms - _LONGEST_MS:
            raise Conflict("a request with this Idempotency-Key is being carried out right now; ask again in a moment")
        receipts.begin(asked, worker, now_ms)
        return ""

    def _try(self, write: Callable[[], None]) -> None:
        try:
            self._core.store.write(write)
        except ZrokdError as error:
            _log.warning("a request with an Idempotency-Key cannot be ended: %s", error)


def _sealed(seal: Seal, answer: bytes) -> str:
    return seal.close(answer) if len(answer) <= _MOST_BYTES else ""
