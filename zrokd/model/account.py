"""Who pays, and who asks now."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who pays."""

    id: int
    email: str
    limitless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks now: an account, a frontend of the operator's, or an administrator. Exactly one of the three."""

    account_id: int | None = None
    email: str = ""
    frontend: str = ""  # the frontend's name
    admin: bool = False
    method: str = ""  # name of the authenticator that said so

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
