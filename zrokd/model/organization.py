"""Accounts that belong together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """Accounts that belong together."""

    token: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An account in an organization; an admin sees what the others have."""

    email: str
    admin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """An organization as one of its accounts sees it."""

    organization: Organization
    admin: bool = False
