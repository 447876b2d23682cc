"""Passwords at rest: scrypt, written as `scrypt$n$r$p$salt$hash`, salt and hash in base64."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from zrokd.errors import Invalid

_N, _R, _P = 2**14, 8, 1  # 16 MiB and some 50 ms. Source: OWASP password storage, scrypt row, adapted to a gate
_MOST_BYTES = 64 * 2**20  # what one verification may take, whoever wrote the hash
_MOST_P = 16
_SALT_BYTES, _HASH_BYTES = 16, 32


@dataclass(frozen=True, slots=True)
class _Scrypt:
    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def of(self, password: str) -> bytes:
        return hashlib.scrypt(
            password.encode(),
            salt=self.salt,
            n=self.n,
            r=self.r,
            p=self.p,
            maxmem=2 * _MOST_BYTES,
            dklen=len(self.digest),
        )


def hash_password(password: str) -> str:
    """A new salted hash of `password`, fit for `verify_password`. Takes some 50 ms of a core: not on the hub."""
    made = _Scrypt(_N, _R, _P, secrets.token_bytes(_SALT_BYTES), b"\0" * _HASH_BYTES)
    return "$".join(["scrypt", str(_N), str(_R), str(_P), _text(made.salt), _text(made.of(password))])


def verify_password(password: str, encoded: str) -> bool:
    """Whether `password` is the one behind `encoded`, in a time that does not depend on where they differ.

    Takes as long as the hash was made to take: not on the hub. :raises Invalid: `encoded` is no hash of ours.
    """
    known = _parse(encoded)
    return hmac.compare_digest(known.of(password), known.digest)


def check_password_hash(encoded: str) -> str:
    """`encoded`, when `verify_password` will take it. :raises Invalid: says what is wrong, never the text itself."""
    _parse(encoded)
    return encoded


def _parse(encoded: str) -> _Scrypt:
    kind, *rest = encoded.split("$")
    if kind != "scrypt" or len(rest) != 5:
        raise Invalid("a password hash is written as scrypt$n$r$p$salt$hash")
    try:
        n, r, p = (int(number) for number in rest[:3])
        salt, digest = (base64.b64decode(text, validate=True) for text in rest[3:])
    except (ValueError, binascii.Error) as error:
        raise Invalid("a password hash needs whole numbers and base64") from error
    _check(n, r, p, digest)
    return _Scrypt(n, r, p, salt, digest)


def _check(n: int, r: int, p: int, digest: bytes) -> None:
    power_of_two = n > 1 and not n & (n - 1)
    if not power_of_two or r < 1 or not 1 <= p <= _MOST_P or 128 * n * r > _MOST_BYTES:
        raise Invalid("a password hash needs n as a power of two, r and p above 0, and at most 64 MiB")
    if not 16 <= len(digest) <= 64:
        raise Invalid("a password hash holds 16 to 64 bytes")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
