"""The client API of the network's controllers, as one identity: its API session, services and service sessions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import gevent
from gevent.event import Event

from zrokd.contracts import Health, Task
from zrokd.errors import OverlayError, UnknownService

from .api import Api, Refused, Single, quoted
from .batch import Batch
from .identity import CLIENT_API, IdentityFile
from .settings import EdgeSettings
from .web import Web

CONFIG_TYPE = "zrok.proxy.v1"  # what clients of zrok look for in a service
_CLOSE_S = 1.0
_NAMES_MOST = 100  # in one query

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
        self, identity: IdentityFile, *, log: logging.Logger, spawn: Callable[..., Task], settings: EdgeSettings
    ) -> None:
        self._web = Web(identity.controllers, identity.ssl_context([]), timeout_s=settings.request_timeout)
        types = list(dict.fromkeys((CONFIG_TYPE, *identity.config_types)))
        self._api = Api(
            self._web,
            CLIENT_API,
            lambda: ("method=cert", {"configTypes": types}),
            words="the network does not know this identity any more; enable this host again",
            log=log,
            patience_s=settings.request_timeout,
        )
        self._api.on_login = self._logged_in
        self._back, self._web.on_back = Event(), self._came_back
        self._log, self._spawn, self._every_s = log, spawn, settings.check_every
        self._single, self._asked_for = Single(), Batch(self._fetch_services, _NAMES_MOST)
        self._services: dict[str, Service] = {}
        self._sessions: dict[tuple[str, Kind], Session] = {}
        self._keeper: Task | None = None
        self._closed = False

    @property
    def token(self) -> str:
        """The current API session's; authenticates first where there is none yet."""
        return self._api.token

    @property
    def generation(self) -> int:
        """Counts authentications: a channel whose hello used an older one says hello again when refused."""
        return self._api.generation

    def authenticate(self, seen: int | None = None) -> str:
        """A new API session and its token; many callers at once make one. `seen`: the generation that was refused."""
        return self._api.authenticate(seen)

    def _logged_in(self) -> None:
        self._sessions.clear()  # they ended with the API session that they belong to
        if self._keeper is None and not self._closed:
            self._keeper = self._spawn(self._keep, name="ziti api session")

    def wait_back(self, timeout_s: float) -> None:
        """Wait, at most until a controller answers of which none did. Switches greenlets."""
        self._back.wait(timeout_s)

    def _came_back(self) -> None:
        back, self._back = self._back, Event()
        back.set()

    def _keep(self) -> None:
        while True:
            gevent.sleep(self._every_s)
            try:
                self.refresh()
            except OverlayError as error:
                self._log.debug("the API session cannot be renewed now: %s", error)

    def refresh(self) -> None:
        """Ask the controller whether it still knows our API session (that renews it); a new one when it does not."""
        self._api.call("GET", "/current-api-session")

    def service(self, name: str) -> Service:
        """A service, from memory when it is known. :raises UnknownService: none, or not ours to see."""
        service = self._services.get(name) or self._asked_for.get(name)
        if service is None:
            raise UnknownService(f"no service {name!r} on the network, or not ours to use")
        return service

    def _fetch_services(self, names: list[str]) -> dict[str, Service]:
        """The controller looks at every service that is ours to use, however many names it is asked for."""
        words = f"name in [{', '.join(map(quoted, names))}]"
        found = self._api.call("GET", "/services", query={"filter": words, "limit": len(names)})
        services = {service.name: service for service in map(_service, found)}
        self._services.update(services)
        return services

    def session(self, name: str, kind: Kind) -> Session:
        """The right to dial or bind, from memory when it is known. :raises UnknownService: not ours to use."""
        known = self._sessions.get((name, kind))
        return known or self._single.run(("session", name, kind), lambda: self._fetch_session(name, kind))

    def _fetch_session(self, name: str, kind: Kind) -> Session:
        service, seen = self.service(name), self._api.generation
        try:
            found = self._api.call("POST", "/sessions", {"serviceId": service.id, "type": kind})
        except Refused as error:
            if error.status not in {400, 404}:
                raise
            self.forget(name)
            raise UnknownService(f"service {name!r} is not ours to {kind.lower()}, or it was deleted") from error
        session = Session(id=str(found["id"]), token=str(found["token"]), routers=_routers(found))
        if session.routers and seen == self._api.generation:  # otherwise one may come, or it has ended meanwhile
            self._sessions[name, kind] = session
        return session

    def routers(self, name: str, kind: Kind) -> tuple[Router, ...]:
        """The routers of a session, asked for anew: some may have come. :raises UnknownService: as `session`."""
        known = (name, kind) in self._sessions
        try:
            # Asked for what is there it tells it as it is now; asked by the id it looks at the sessions of everybody.
            return self._single.run(("session", name, kind), lambda: self._fetch_session(name, kind)).routers
        except UnknownService:
            if not known:
                raise
            return self.session(name, kind).routers  # the service may have been made again

    def forget(self, name: str, kind: Kind | None = None) -> None:
        """It was refused: drop the service and its session (`kind` None: both) from memory; the next call fetches."""
        self._services.pop(name, None)
        for each in ("Dial", "Bind") if kind is None else (kind,):
            self._sessions.pop((name, each), None)

    def health(self) -> Health:
        """Whether the controllers answered the last call, and know us."""
        return Health(ok=not self._api.trouble, detail=self._api.trouble)

    def close(self) -> None:
        """End the API session (not waiting long for it) and the connections. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._keeper is not None:
                self._keeper.kill()
            if self._api.logged_in:
                with gevent.Timeout(_CLOSE_S, False):
                    self._end_session()
        finally:  # we may be killed meanwhile
            self._web.close()

    def _end_session(self) -> None:
        try:
            self._api.call("DELETE", "/current-api-session")
        except OverlayError as error:
            self._log.debug("the API session could not be ended, and ends by itself: %s", error)


def _service(found: Mapping[str, Any]) -> Service:
    configs = found.get("config") or {}
    return Service(
        id=str(found["id"]),
        name=str(found["name"]),
        encrypted=bool(found.get("encryptionRequired")),
        config=dict(configs.get(CONFIG_TYPE) or {}),
        permissions=frozenset(found.get("permissions") or ()),
    )


def _routers(found: Mapping[str, Any]) -> tuple[Router, ...]:
    routers = []
    for each in found.get("edgeRouters") or ():
        url = (each.get("supportedProtocols") or {}).get("tls")
        if url:
            routers.append(Router(name=str(each["name"]), url=str(url)))
    return tuple(routers)
