"""One call of an operation, and its answer."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ClassVar, TypeVar, get_type_hints

from zrokd.model.account import Principal, Scope
from zrokd.model.audit import Actor
from zrokd.model.site import Site
from zrokd.service.services import Services
from zrokd.wire.requests import from_wire

T = TypeVar("T")
A = TypeVar("A", bound="Answer")
H = TypeVar("H", bound=Callable[..., object])


class Needs(enum.Enum):
    """Who may call an operation, and of an account's tokens, those of which scope."""

    NOBODY = "nobody"  # no credentials at all
    READ = "read"  # an account; it looks only
    SHARE = "share"  # an account; what a host does that shares
    ACCOUNT = "account"  # an account; what decides over it
    FRONTEND = "frontend"
    ADMIN = "admin"

    @property
    def scope(self) -> Scope | None:
        """What an account's token must be good for; None: this is nothing for accounts."""
        return Scope(self.value) if self in (Needs.READ, Needs.SHARE, Needs.ACCOUNT) else None

    def met_by(self, principal: Principal) -> bool:
        """Whether this is for principals of this kind; scopes apart."""
        match self:
            case Needs.NOBODY:
                return True
            case Needs.FRONTEND:
                return bool(principal.frontend)
            case Needs.ADMIN:
                return principal.admin
        return principal.account_id is not None

    @property
    def changes(self) -> bool:
        """Whether who tries it in vain stands in the audit trail."""
        return self in (Needs.SHARE, Needs.ACCOUNT, Needs.ADMIN)

    def allowed_by(self, scope: Scope) -> bool:
        """Whether a principal whom it is for may do it by a token of this scope."""
        return self.scope is None or scope.covers(self.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What operations need to know of this controller, as it is now.

    `client_address` tells who asks from the address of the connection and from X-Forwarded-For. `offload` runs what
    would hold up all others.
    """

    version: str
    max_wait_s: float = 30.0
    hash_password: Callable[[str], str]
    site: Site = field(default_factory=Site)
    offload: Callable[[Callable[[], list[bytes]]], list[bytes]] = lambda work: work()
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
    may_wait: bool = False  # whether its handler may raise Later

    @property
    def actor(self) -> Actor:
        """Who asks, as the audit trail has it."""
        principal = self.principal
        via = " ".join(filter(None, (principal.method, principal.token)))
        return Actor(name=str(principal), via=via, address=self.peer)


class Later(Exception):
    """Nothing to tell yet: call again after `wait()`, which may switch greenlets, and keep nothing until then."""

    def __init__(self, wait: Callable[[], object]) -> None:
        super().__init__()
        self.wait = wait


EMPTY: Any = object()


@dataclass(frozen=True)
class Answer:
    """A status and a JSON document; EMPTY has neither a body nor a media type. Handlers return one of its kinds.

    A document that is a function is called when the account's turn is over: for what may wait long for others.
    """

    document: Any = EMPTY
    status: ClassVar[int] = 200
    empty: ClassVar[bool] = False


class Found(Answer):
    """200, with a document."""


class Listed(Found):
    """200, with a document that may be large: a function that makes it, of what was read, away from the hub."""


class Created(Answer):
    """201, with a document."""

    status = 201


class Done(Answer):
    """200, and nothing to read."""

    empty = True


class Made(Answer):
    """201, and nothing to read."""

    status, empty = 201, True


OK = Done()
CREATED = Made()


def reads(kind: type[T]) -> Callable[[Callable[[Call, T], A]], Callable[[Call], A]]:
    """Let a handler be given its request, read from the body. :raises Invalid: the call's body is none of this kind."""

    def decorate(handler: Callable[[Call, T], A]) -> Callable[[Call], A]:
        @wraps(handler)
        def read(call: Call) -> A:
            return handler(call, from_wire(kind, call.body))

        read.takes = kind  # type: ignore[attr-defined]  # what it reads, for the document of the API
        return read

    return decorate


def shaped(schema: Mapping[str, Any]) -> Callable[[H], H]:
    """Say by a JSON schema what a handler reads itself from the body, for the document of the API."""

    def decorate(handler: H) -> H:
        handler.takes = schema  # type: ignore[attr-defined]
        return handler

    return decorate


def tells(to_wire: Callable[[Any], Any]) -> Callable[[H], H]:
    """Say how a handler answers to what it made, so that the answer can be kept together with that."""

    def decorate(handler: H) -> H:
        handler.tells = to_wire  # type: ignore[attr-defined]
        return handler

    return decorate


def queried(*names: str) -> Callable[[H], H]:
    """Say which parameters of the query a handler reads, for the document of the API."""

    def decorate(handler: H) -> H:
        handler.query = names  # type: ignore[attr-defined]
        return handler

    return decorate


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the route table."""

    method: str
    path: str
    needs: Needs
    handler: Callable[[Call], Answer]
    takes_body: bool = True  # as far as its method has one at all


def answer_of(operation: Operation) -> type[Answer]:
    """Which kind of answer an operation gives when all is well."""
    kind: type[Answer] = get_type_hints(operation.handler)["return"]
    return kind
