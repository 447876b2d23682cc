"""What a site tells people who have no account yet, and how they get one."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Invites(enum.StrEnum):
    """Who may ask for an account."""

    CLOSED = "closed"  # nobody: the operator makes accounts
    TOKEN = "token"  # noqa: S105  # who holds an invite token
    OPEN = "open"  # everybody with an e-mail address


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A controller as people meet it. Texts may be empty; URLs get `/` and a token appended."""

    invites: Invites = Invites.CLOSED
    contact: str = ""  # whom to ask for an invite token
    terms_link: str = ""
    new_account_link: str = ""
    register_url: str = ""
    reset_url: str = ""
    register_within_s: float = 24 * 3600.0
    reset_within_s: float = 15 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail to one person."""

    to: str
    subject: str
    text: str
    html: str
    key: str = ""  # tells it from all others, also when it is sent again

    def __repr__(self) -> str:
        return f"Letter(to={self.to!r}, subject={self.subject!r})"  # the rest holds a secret
