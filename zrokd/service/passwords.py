"""Passwords of accounts: their rule, and their hashes (argon2id, as PHC strings)."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from zrokd.errors import Invalid, WeakPassword
from zrokd.model.passwords import verify_password
from zrokd.store.database import Offload

# Source: OWASP password storage, argon2id row with the least memory of the recommended ones
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16)
_LEAST, _MOST = 8, 1024
_SPECIALS = frozenset("!@#$%^&*()_+-=[]{};':\"\\|,.<>")
# Of a text that nobody has: verified in place of an account's that does not exist.
_NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgb3duIHNhbHQ$RTtZfSLvoGDGNNYfYN/YqEcWGpkIPEzq4hSDEkZbL0Y"


def check_password(password: str) -> str:
    """`password`, when it may become one. :raises WeakPassword: says the rule. Source: zrok's rule."""
    if not _LEAST <= len(password) <= _MOST:
        raise WeakPassword(f"a password has {_LEAST} to {_MOST} characters")
    if not any(one.isupper() for one in password) or not any(one.isdigit() for one in password):
        raise WeakPassword("a password has a capital letter and a digit in it")
    if not _SPECIALS & set(password):
        raise WeakPassword(f"a password has one of {''.join(sorted(_SPECIALS))} in it")
    return password


class Passwords:
    """Hashes passwords and compares them, off the hub. Each call takes some 75 ms of a core and 19 MiB."""

    def __init__(self, offload: Offload) -> None:
        """`offload` bounds how many run at a time."""
        self._offload = offload

    def hash(self, password: str) -> str:
        """A salted hash, of which `matches` will say True. Switches greenlets."""
        return self._offload(_HASHER.hash, password)

    def matches(self, password: str, encoded: str) -> bool:
        """Whether that is the password; False after the same time when `encoded` is empty. Switches greenlets."""
        return self._offload(_matches, password, encoded)

    @staticmethod
    def is_outdated(encoded: str) -> bool:
        """Whether a hash should be made anew by today's rule, as soon as the password is known."""
        return not encoded.startswith("$argon2id$") or _HASHER.check_needs_rehash(encoded)


def _matches(password: str, encoded: str) -> bool:
    try:
        if encoded.startswith("scrypt$"):  # of the first release
            return verify_password(password, encoded)
        return _verify(password, encoded or _NOBODYS) and bool(encoded)
    except Invalid:
        return False


def _verify(password: str, encoded: str) -> bool:
    try:
        return _HASHER.verify(encoded, password)
    except (VerificationError, InvalidHashError):
        return False
