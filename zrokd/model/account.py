"""Who pays, and who asks now."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Scope(enum.StrEnum):
    """What a token is good for. Of those of accounts each includes the ones before it; `admin` is none of theirs."""

    READ = "read"
    SHARE = "share"
    ACCOUNT = "account"
    ADMIN = "admin"

    def covers(self, other: Scope) -> bool:
        """Whether who holds this one may do what takes `other`."""
        if Scope.ADMIN in (self, other):
            return self is other
        return _RANKS[self] >= _RANKS[other]


_RANKS = {Scope.READ: 0, Scope.SHARE: 1, Scope.ACCOUNT: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who pays."""

    id: int
    email: str
    limitless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks now: an account, an administrator, somebody who is both, or a frontend of the operator's."""

    account_id: int | None = None
    email: str = ""
    frontend: str = ""  # the frontend's name
    admin: bool = False
    method: str = ""  # name of the authenticator that said so
    scope: Scope = Scope.ACCOUNT  # what an account may do by this proof
    token: str = ""  # the name of the token shown, where it has one

    def __str__(self) -> str:
        return self.email or (f"frontend {self.frontend}" if self.frontend else "admin" if self.admin else "nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a caller showed us. Never logged."""

    token: str = ""
    username: str = ""
    password: str = ""
    peer: str = ""  # address the request came from, for limits and logs

    def __repr__(self) -> str:
        return f"Credentials(peer={self.peer!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token without its secret. Times are Unix milliseconds; 0: it never ends, it was never used."""

    name: str
    scope: Scope
    created_at_ms: int
    expires_at_ms: int = 0
    last_used_at_ms: int = 0
