"""One private access: a listener here, a share somewhere else, and the controller's leave to go there."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Protocol

from zrokd.client.backoff import Backoff
from zrokd.client.grants import Grants
from zrokd.contracts import Context, Health, Stream, Task
from zrokd.errors import Invalid, Unavailable, ZrokdError
from zrokd.model.units import Address
from zrokd.net.listener import Listener

_RAW = frozenset(["tcp", "socks"])
_DATAGRAMS = frozenset(["udp"])

Handler = Callable[[Stream], None]


class Wish(Protocol):
    """What an access is to be."""

    @property
    def share(self) -> str:
        """Token of the share."""

    @property
    def listen(self) -> Address:
        """Where to listen for it."""

    @property
    def description(self) -> str:
        """What the owner of the share reads about it."""

    @property
    def http(self) -> bool | None:
        """Whether the share speaks HTTP; None: as its mode says."""

    @property
    def required(self) -> bool:
        """Whether a refusal of the controller's is an error of who wants it."""


class Access:
    """Binds at once, so that a taken port is told at once; listens as soon as the controller has granted it."""

    def __init__(
        self,
        settings: Wish,
        sock: socket.socket,
        grants: Grants,
        handler: Callable[[str, str, bool], Handler],
        limit: int,
        ctx: Context,
    ) -> None:
        """`handler(share, mode, http)` makes what serves a connection. `sock` is taken over."""
        self.settings = settings
        self._sock, self._grants, self._make, self._limit, self._ctx = sock, grants, handler, limit, ctx
        self._listener: Listener | None = None
        self._task: Task | None = None
        self._token = ""
        self._why = "not granted yet"

    def start(self, on_refused: Callable[[ZrokdError], None]) -> None:
        """Ask for leave and listen; when the controller is away, go on asking in a greenlet. Switches greenlets.

        `on_refused` is told when the controller, once it is back, refuses an access that is `required`.

        :raises ZrokdError: the controller refused at once, and this access is `required`.
        """
        try:
            self.ask()
        except ZrokdError as error:
            if self.settings.required and not isinstance(error, Unavailable):
                raise
            self._why = str(error)
            self._ctx.log.warning("%s; access to share %s waits for it", error, self.settings.share)
            self._task = self._ctx.spawn(self._ask_on, on_refused, name=f"access to {self.settings.share}")

    def health(self) -> Health:
        """Whether it takes connections."""
        ok = self._listener is not None and self._listener.accepting
        return Health(ok=ok, detail="" if ok else f"access to share {self.settings.share}: {self._why}")

    @property
    def address(self) -> Address:
        """Where it listens, or will."""
        return self._listener.address if self._listener else self.settings.listen

    @property
    def token(self) -> str:
        """By which the controller knows it; "" while it is not granted."""
        return self._token

    @property
    def active(self) -> int:
        """Connections inside."""
        return self._listener.active if self._listener else 0

    def stop(self) -> None:
        """Take no more connections; those that run go on. Idempotent. Switches greenlets."""
        self._why = "stopped"
        if self._task:
            self._task.kill()
        if self._listener:
            self._listener.stop()
        self._sock.close()

    def drain(self, deadline_s: float) -> None:
        """Wait for connections to end, `deadline_s` seconds at most. Switches greenlets."""
        if self._listener:
            self._listener.drain(deadline_s)

    def close(self) -> None:
        """Cut what is left and give the leave back. Idempotent. Switches greenlets."""
        self.stop()
        if self._listener:
            self._listener.close()
        self.give_back()

    def give_back(self) -> None:
        """Give the leave back; connections that run are not cut here. Idempotent. Switches greenlets."""
        token, self._token = self._token, ""
        if token:
            self._grants.give_back(token)

    def ask(self) -> None:
        """Ask for leave and listen, once. Switches greenlets. :raises ZrokdError: refused, or no answer."""
        if not self._token:
            address, told = str(self._address()), self.settings.description
            self._token, self._mode = self._grants.ask(self.settings.share, address, told)
        self._listener = Listener(
            self._sock,
            self._handler(self._mode),
            log=self._ctx.log,
            limit=self._limit,
            name=f"access {self.settings.share}",
        )
        self._listener.start()
        self._ctx.hooks.on_access_ready(self.settings.share, str(self._listener.address))

    def _handler(self, mode: str) -> Handler:
        http = self.settings.http
        if http is None and mode in _DATAGRAMS:
            raise Invalid(f"share {self.settings.share} carries datagrams ({mode}), which cannot be accessed yet")
        return self._make(self.settings.share, mode, mode not in _RAW if http is None else http)

    def _ask_on(self, on_refused: Callable[[ZrokdError], None]) -> None:
        delays = Backoff()
        while self._listener is None:
            time.sleep(delays.next_s())
            try:
                self.ask()
            except ZrokdError as error:
                self._why = str(error)
                if self.settings.required and not isinstance(error, Unavailable):
                    on_refused(error)
                    return
        self._ctx.log.info("access to share %s is granted", self.settings.share)

    def _address(self) -> Address:
        name = self._sock.getsockname()
        return Address(host=name[0], port=name[1]) if isinstance(name, tuple) else self.settings.listen
