"""What a signed token says, once everything about it was found good. Source: RFC 7519, RFC 8725."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from zrokd.contracts import Clock
from zrokd.errors import Denied

from .provider import Key, Provider
from .settings import OidcSettings

_LONGEST = 16 * 1024
_TYPES = frozenset(["jwt", "at+jwt", "application/jwt", "application/at+jwt"])  # Source: RFC 9068 §4, RFC 8725 §3.11


class Verifier:
    """Reads tokens of one provider."""

    def __init__(self, settings: OidcSettings, clock: Clock, log: logging.Logger) -> None:
        self._settings, self._clock = settings, clock
        self._provider = Provider(settings, clock, log)

    @property
    def trouble(self) -> str:
        """What the last question for keys met; "" when there is none."""
        return self._provider.trouble

    def claims(self, token: str) -> dict[str, Any] | None:
        """What it says; None: it is no token, or of another issuer. May switch greenlets.

        :raises Denied: it is not good; says why. :raises Unavailable: the provider's keys cannot be had.
        """
        if len(token) > _LONGEST or token.count(".") != 2 or not token.isascii():
            return None
        settings = self._settings
        if _issuer(token) != settings.issuer:
            return None  # perhaps of another provider, which is asked next
        checks = jwt.JWTClaimsRegistry(
            now=self._clock.now_ms() // 1000,
            leeway=int(settings.leeway),
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "values": settings.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            read = jwt.decode(token, self._key, registry=_registry(settings.algorithms))
            if str(read.header.get("typ", "jwt")).lower() not in _TYPES:
                raise Denied(f"a token of type {read.header['typ']!r} is for something else")
            checks.validate(read.claims)
        except (JoseError, ValueError) as error:
            raise Denied(f"the token is not good: {error}") from error
        return read.claims

    def _key(self, signed: Any) -> Key:
        """Called by joserfc once it has read the header: the algorithm is one of ours by now."""
        header = signed.headers()
        kid = header.get("kid")
        return self._provider.key(kid if isinstance(kid, str) else None, header["alg"])


def _registry(algorithms: Collection[str]) -> JWSRegistry:
    """Fields of a header that nobody knows are passed over, unless `crit` names them. Source: RFC 7515 §4, §4.1.11."""
    registry = JWSRegistry(algorithms=algorithms, strict_check_header=False)
    registry.max_header_length = _LONGEST  # providers put certificates there
    return registry


def _issuer(token: str) -> object:
    """Who says to have issued it, unverified; None: it is no token of this kind."""
    try:
        claims = json.loads(urlsafe_b64decode(token.split(".")[1].encode()))
    except (ValueError, RecursionError):
        return None
    return claims.get("iss") if isinstance(claims, dict) else None
