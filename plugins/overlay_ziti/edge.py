"""The client API of the network's controllers, as one identity: its API session, services and service sessions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from zrokd.contracts import Clock, Health, Task

from .identity import IdentityFile
from .settings import EdgeSettings

Kind = Literal["Dial", "Bind"]


@dataclass(frozen=True, slots=True)
class Router:
    """An edge router, and where its channel is: tls://host:port."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Service:
    """A service as the controller tells it. `config` is that of type zrok.proxy.v1, {} when there is none."""

    id: str
    name: str
    encrypted: bool
    config: dict[str, Any] = field(default_factory=dict)
    permissions: frozenset[str] = frozenset()  # "Dial", "Bind"


@dataclass(frozen=True, slots=True)
class Session:
    """The right to dial or bind one service. The token is a secret."""

    id: str
    token: str = field(repr=False)
    routers: tuple[Router, ...] = ()


class EdgeApi:
    """Calls to the controllers of one identity. Any greenlet may call; all may wait and switch greenlets.

    Every call ends within `settings.request_timeout` seconds a controller, and raises OverlayError only: OverlayTimeout
    when none answered in time, UnknownService where the service is not ours to see.
    """

    def __init__(
        self,
        identity: IdentityFile,
        *,
        log: logging.Logger,
        clock: Clock,
        spawn: Callable[..., Task],
        settings: EdgeSettings | None = None,
    ) -> None:
        raise NotImplementedError

    token: str  # property: the current API session's; authenticates first where there is none yet
    generation: int  # counts authentications: a channel whose hello used an older one says hello again when refused

    def authenticate(self, seen: int | None = None) -> str:
        """A new API session and its token; many callers at once make one. `seen`: the generation that was refused."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Ask the controller whether it still knows our API session (that renews it); a new one when it does not."""
        raise NotImplementedError

    def service(self, name: str) -> Service:
        """A service, from memory when it is known. :raises UnknownService: none, or not ours to see."""
        raise NotImplementedError

    def session(self, name: str, kind: Kind) -> Session:
        """The right to dial or bind, from memory when it is known. :raises UnknownService: not ours to use."""
        raise NotImplementedError

    def forget(self, name: str, kind: Kind | None = None) -> None:
        """It was refused: drop the service and its session (`kind` None: both) from memory; the next call fetches."""
        raise NotImplementedError

    def health(self) -> Health:
        """Whether the controllers answered the last call, and know us."""
        raise NotImplementedError

    def close(self) -> None:
        """End the API session (not waiting long for it) and the connections. Idempotent."""
        raise NotImplementedError
