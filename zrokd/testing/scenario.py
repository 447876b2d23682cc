"""A whole zrokd in one process: controller, frontend and backend over the local overlay, on ports of its own."""

from __future__ import annotations

import functools
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent.event import Event

from zrokd import hookimpl
from zrokd.config.load import Configuration, from_tree
from zrokd.errors import StreamTimeout
from zrokd.host.daemon import Daemon
from zrokd.host.registry import Registry
from zrokd.host.systemd import Inherited
from zrokd.model.units import Address
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.framing import response_framing
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.stream import connect

ZONE = "share.localhost"
ACCOUNT_TOKEN = "scenario-account-token"  # noqa: S105  opens nothing but a test's own controller
FRONTEND_TOKEN = "scenario-frontend-token"  # noqa: S105
_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a visitor got. Field names are in lower case; of several equal ones the last counts."""

    status: int
    fields: dict[str, str]
    body: bytes


class Scenario:
    """`with Scenario(tmp_path, shares=[...]) as zrokd: zrokd.get("blog", "/")`.

    `shares` are those of the backend's YAML. `changes` are put over the configuration, key by key, so that a test can
    add a gate, an observer or a limit: `{"roles": {"frontend": {"gates": {...}}}}`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        shares: Sequence[Mapping[str, Any]] = (),
        changes: Mapping[str, Any] | None = None,
        registry: Registry | None = None,
    ) -> None:
        self.ready: dict[str, tuple[str, ...]] = {}  # token -> URLs of the shares that are bound
        self._sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.controller, self.frontend = (Address(*sock.getsockname()) for sock in self._sockets)
        self.tree = _over(self._base(folder, shares), changes or {})
        self._registry = registry or (Registry() if "plugin_path" in self.tree else _installed())
        self._changed = Event()
        self._wanted = len(self.tree["roles"].get("backend", {}).get("shares", ()))
        self.daemon: Daemon | None = None

    # -- life ---

    def __enter__(self) -> Scenario:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start; return when every share is bound and the frontend knows its names. Switches greenlets.

        :raises ZrokdError: it cannot start, or not in time.
        """
        inherited = [Inherited(sock, "scenario") for sock in self._sockets]
        try:
            self.daemon = Daemon(
                self._configuration(), self._registry, load=self._configuration, listeners=[self], inherited=inherited
            )
            self.daemon.start()
            self.wait_for_shares(self._wanted)
            self._wait_for_names()
        except BaseException:
            self.stop()
            raise

    def stop(self, drain_s: float = 1.0) -> None:
        """Drain and close. Idempotent. Switches greenlets."""
        if self.daemon is not None:
            self.daemon.stop(drain_s)
        for sock in self._sockets:
            sock.close()

    def reload(self, changes: Mapping[str, Any]) -> bool:
        """Put `changes` over the configuration and reload; whether that went well. Switches greenlets."""
        assert self.daemon is not None
        self.tree = _over(self.tree, changes)
        return self.daemon.reload()

    def wait_for_shares(self, count: int, timeout_s: float = _WAIT_S) -> None:
        """Return when so many shares are bound and, if public, reached. :raises StreamTimeout: not in time."""
        with gevent.Timeout(timeout_s, StreamTimeout(f"not {count} shares within {timeout_s:g} s: {self.ready}")):
            while len(self.ready) < count:
                self._changed.wait()
                self._changed.clear()

    # -- use ---

    @property
    def controller_url(self) -> str:
        """The API's URL."""
        return f"http://{self.controller}"

    def host(self, name: str) -> str:
        """The full host name of a share's name."""
        return f"{name}.{ZONE}"

    def hosts(self) -> tuple[str, ...]:
        """Host names of the public shares that are bound."""
        return tuple(str(urlsplit(url).hostname) for urls in self.ready.values() for url in urls)

    def get(self, host: str, path: str = "/", fields: Mapping[str, str] | None = None) -> Answer:
        """One GET through the frontend; a `host` without a dot is a name in the scenario's zone. Switches greenlets."""
        return self.ask("GET", host, path, fields)

    def ask(
        self, method: str, host: str, path: str = "/", fields: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """As `get`, with any method and a body. :raises StreamError: the frontend broke off."""
        lines = {"Host": host if "." in host else self.host(host), "Content-Length": str(len(body)), **(fields or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        stream = connect(self.frontend, _WAIT_S)
        try:
            connection = HttpConnection(stream, HttpLimits(first_byte_s=_WAIT_S))
            connection.send(f"{method} {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode("latin-1") + body)
            return _read_answer(connection, method.encode())
        finally:
            stream.close()

    # -- inside ---

    def _wait_for_names(self) -> None:
        assert self.daemon is not None
        frontend = self.daemon.components.roles.get("frontend")
        with gevent.Timeout(_WAIT_S, StreamTimeout(f"the frontend is not ready within {_WAIT_S:g} s")):
            while frontend is not None and not frontend.health().ok:
                gevent.sleep(0.01)

    @hookimpl
    def zrokd_on_share_ready(self, token: str, urls: tuple[str, ...]) -> None:
        """A share is bound."""
        self.ready[token] = urls
        self._changed.set()

    @hookimpl
    def zrokd_on_share_lost(self, token: str) -> None:
        """A share is not bound any more."""
        self.ready.pop(token, None)
        self._changed.set()

    def _configuration(self) -> Configuration:
        return from_tree(self.tree, registry=self._registry, environ={})

    def _base(self, folder: Path, shares: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        url = f"http://{{host}}:{self.frontend.port}"
        controller = {
            "listen": str(self.controller),
            "namespaces": {"public": {"zone": ZONE, "url": url, "open": True, "frontends": ["public"]}},
            "frontends": {"public": {"token": FRONTEND_TOKEN}},
            "accounts": [{"email": "ann@example.com", "token": ACCOUNT_TOKEN}],
        }
        frontend = {"listen": str(self.frontend), "controller": self.controller_url, "token": FRONTEND_TOKEN}
        backend = {"controller": self.controller_url, "token": ACCOUNT_TOKEN, "shares": [dict(one) for one in shares]}
        return {
            "version": 1,
            "state_dir": str(folder / "zrokd"),
            "roles": {"controller": controller, "frontend": frontend, "backend": backend},
        }


@functools.cache
def _installed() -> Registry:
    """Of all that have no files of their own: what is installed does not change while tests run."""
    return Registry()


def _over(tree: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`tree` with `changes` over it, key by key; None takes a key away."""
    made = dict(tree)
    for key, value in changes.items():
        if value is None:
            made.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(made.get(key), Mapping):
            made[key] = _over(made[key], value)
        else:
            made[key] = value
    return made


def _read_answer(connection: HttpConnection, method: bytes) -> Answer:
    head = connection.read_response(method)
    body = b"".join(iter(connection.reader(response_framing(head, method)).read, b""))
    fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.fields}
    return Answer(head.status, fields, body)
