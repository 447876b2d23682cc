"""The provider's keys: fetched when they are needed, kept for a while."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from urllib3.exceptions import HTTPError

from zrokd.contracts import Clock
from zrokd.errors import Denied, Unavailable
from zrokd.net.calls import Calls
from zrokd.net.faults import within

from .settings import OidcSettings

Key = RSAKey | ECKey | OKPKey
_PAUSE_S = 10.0  # between questions, whatever tokens say: anybody can make up one with an unknown key
_MOST = 1 << 20  # bytes of an answer
_LEAST_BITS = 2048  # of an RSA key. Source: RFC 7518 §3.3
_KINDS: dict[str, type[Key]] = {"RS": RSAKey, "PS": RSAKey, "ES": ECKey, "Ed": OKPKey}


class Provider:
    """Knows which key signs. One question at a time; who needs the answer waits for it."""

    def __init__(self, settings: OidcSettings, clock: Clock, log: logging.Logger) -> None:
        self.trouble = ""  # what the last question met
        self._settings, self._clock, self._log = settings, clock, log
        self._asking = threading.Lock()
        self._keys: tuple[Key, ...] = ()
        self._kept_s = self._asked_s = float("-inf")

    def key(self, kid: str | None, algorithm: str) -> Key:
        """The one that signs so. Switches greenlets when it is not known yet.

        :raises Denied: there is none. :raises Unavailable: there may be one, and the provider does not answer.
        """
        self._keep_fresh(lambda: self._age_s() < self._settings.keys_for)
        found = _find(self._keys, kid, algorithm)
        if found is None:
            self._keep_fresh(lambda: _find(self._keys, kid, algorithm) is not None)
            found = _find(self._keys, kid, algorithm)
        if self._age_s() > self._settings.keys_for + self._settings.keys_until:
            raise Unavailable("the provider of these tokens does not answer; try again")
        if found is None:
            raise Denied(f"the provider has no key {kid!r} for {algorithm}")
        return found

    def _age_s(self) -> float:
        return self._clock.monotonic() - self._kept_s

    def _keep_fresh(self, good: Callable[[], bool]) -> None:
        """Ask, unless things are good, or somebody asked a moment ago."""
        if good():
            return
        with self._asking:
            if good() or self._clock.monotonic() - self._asked_s < _PAUSE_S:
                return
            self._asked_s = self._clock.monotonic()
            try:
                self._keys = within(3 * self._settings.timeout, self._fetch)
            except (HTTPError, OSError, ValueError) as error:  # a TimeoutError is an OSError
                self.trouble = f"the keys of {self._settings.issuer} cannot be had: {error}"
                self._log.warning("%s", self.trouble)
                return
            self.trouble, self._kept_s = "", self._asked_s

    def _fetch(self) -> tuple[Key, ...]:
        """:raises ValueError: it says something else than it should. Source: OpenID Connect Discovery 1.0 §4."""
        issuer = self._settings.issuer
        with Calls(verify=self._settings.ca or True) as calls:
            told = self._get(calls, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if told.get("issuer") != issuer:
                raise ValueError(f"it calls itself {told.get('issuer')!r}")
            where = told.get("jwks_uri")
            if not isinstance(where, str) or not where.startswith(("https://", issuer.partition("//")[0] + "//")):
                raise ValueError(f"its keys are at {where!r}, which is not https")
            listed = self._get(calls, where).get("keys")
        keys = tuple(key for one in (listed if isinstance(listed, list) else []) if (key := _read(one)) is not None)
        if not keys:
            raise ValueError("it shows no key that can be used")
        return keys

    def _get(self, calls: Calls, url: str) -> dict[str, Any]:
        wait_s = self._settings.timeout
        with calls.open("GET", url, connect_s=wait_s, read_s=wait_s) as answer:
            if answer.status != HTTPStatus.OK:
                raise ValueError(f"{url} answers {answer.status}")
            text = answer.read(_MOST + 1)
        if len(text) > _MOST:
            raise ValueError(f"{url} answers more than {_MOST} bytes")
        document = json.loads(text)
        if not isinstance(document, dict):
            raise ValueError(f"{url} answers no JSON object")
        return document


def _read(one: object) -> Key | None:
    """A key that can verify; None: it is of another kind, or for something else. Source: RFC 7517 §4, §5."""
    if not isinstance(one, dict) or one.get("kty") not in ("RSA", "EC", "OKP") or one.get("use", "sig") != "sig":
        return None
    try:
        if "verify" not in one.get("key_ops", ["verify"]):
            return None
        key = JWKRegistry.import_key(one)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, RSAKey) and key.raw_value.key_size < _LEAST_BITS:
        return None
    return key if isinstance(key, Key) else None


def _find(keys: tuple[Key, ...], kid: str | None, algorithm: str) -> Key | None:
    """By its id; without one, the only one that fits."""
    fitting = [
        key
        for key in keys
        if isinstance(key, _KINDS[algorithm[:2]])
        and key.get("alg") in (None, algorithm)
        and (kid is None or key.get("kid") == kid)
    ]
    return fitting[0] if fitting and (kid is not None or len(fitting) == 1) else None
