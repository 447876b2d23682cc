"""`/healthz`, `/readyz`, `/readyz/ROLE` of the daemon."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable

import gevent

from zrokd.contracts import Component, Health, Role, Stream
from zrokd.host.components import Components
from zrokd.model.units import Address
from zrokd.net.faults import within
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.server import HttpExchange, serve
from zrokd.net.listener import Listener

_LIMIT_S = 5.0  # of one component's answer
_JSON = ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store"))


class HealthServer:
    """Answers whoever may reach its socket. Tells names and reasons, no secrets."""

    def __init__(
        self, components: Components, missing: Callable[[str], str], sock: socket.socket, log: logging.Logger
    ) -> None:
        """`missing` tells which part of a role's workers does not serve, or ""."""
        self._components, self._missing = components, missing
        self._log = log
        self._listener = Listener(sock, self._connection, log=log, limit=64, name="health")
        self._limits = HttpLimits(body_bytes=0)
        self.draining = False

    def start(self) -> None:
        """Begin to answer."""
        self._listener.start()

    @property
    def address(self) -> Address:
        """Where it answers; the real port when 0 was asked for."""
        return self._listener.address

    def close(self) -> None:
        """Answer no more. Idempotent. Switches greenlets."""
        self._listener.close()

    def _connection(self, stream: Stream) -> None:
        serve(stream, self._answer, self._limits)

    def _answer(self, exchange: HttpExchange) -> None:
        path = exchange.head.target.partition(b"?")[0].decode("latin-1")
        if exchange.head.method not in (b"GET", b"HEAD"):
            return exchange.respond(405, (*_JSON, (b"Allow", b"GET, HEAD")), b'{"error":"only GET and HEAD"}\n')
        status, body = self.report(path)
        return exchange.respond(status, _JSON, json.dumps(body).encode() + b"\n")

    def report(self, path: str) -> tuple[int, dict[str, object]]:
        """Status and body for a path."""
        if path == "/healthz":
            return 200, {"ok": True}
        if path == "/readyz":
            return self._ready(self._components.named())
        head, _, name = path.rpartition("/")
        role = self._components.roles.get(name)
        if head != "/readyz" or role is None:
            return 404, {"error": "ask /healthz, /readyz or /readyz/ROLE"}
        return self._ready({self._components.label(role): role})

    def _ready(self, components: dict[str, Component]) -> tuple[int, dict[str, object]]:
        states = {name: self._health(component) for name, component in components.items()}
        ok = not self.draining and all(state.ok for state in states.values())
        body: dict[str, object] = {
            "ok": ok,
            "draining": self.draining,
            "components": {name: {"ok": state.ok, "detail": state.detail} for name, state in states.items()},
        }
        return (200 if ok else 503), body

    def _health(self, component: Component) -> Health:
        try:
            told = within(_LIMIT_S, component.health)
            if not isinstance(told, Health):
                raise TypeError(f"health() answers a Health, not {told!r}")
        except gevent.GreenletExit:
            raise
        except BaseException as error:
            self._log.exception("the health of %s cannot be told", self._components.label(component))
            return Health(ok=False, detail=f"its health cannot be told: {type(error).__name__}")
        if told.ok and isinstance(component, Role) and (missing := self._missing(self._name(component))):
            return Health(ok=False, detail=missing)
        return told

    def _name(self, role: Role) -> str:
        return next((name for name, one in self._components.roles.items() if one is role), "")
