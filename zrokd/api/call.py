"""One call of an operation, and its answer."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zrokd.model.account import Principal
from zrokd.model.site import Site
from zrokd.service.services import Services


class Needs(enum.Enum):
    """Who may call an operation."""

    NOBODY = "nobody"  # no credentials at all
    ACCOUNT = "account"
    FRONTEND = "frontend"
    ADMIN = "admin"

    def met_by(self, principal: Principal) -> bool:
        """Whether this principal may."""
        match self:
            case Needs.ACCOUNT:
                return principal.account_id is not None
            case Needs.FRONTEND:
                return bool(principal.frontend)
            case Needs.ADMIN:
                return principal.admin
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What operations need to know of this controller, as it is now.

    `client_address` tells who asks from the address of the connection and from X-Forwarded-For.
    """

    version: str
    max_wait_s: float = 30.0
    hash_password: Callable[[str], str]
    site: Site = field(default_factory=Site)
    client_address: Callable[[str, str], str] = lambda peer, _forwarded_for: peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What was asked, by whom, decoded."""

    services: Services
    settings: Settings
    principal: Principal
    body: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""


EMPTY: Any = object()


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON document; EMPTY has neither a body nor a media type."""

    status: int = 200
    document: Any = EMPTY


OK = Answer()
CREATED = Answer(201)


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the route table."""

    method: str
    path: str
    needs: Needs
    handler: Callable[[Call], Answer]
    takes_body: bool = True  # as far as its method has one at all
