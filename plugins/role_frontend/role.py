"""The frontend: a public entrance, private accesses, or both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from zrokd.client.access import Access, Handler
from zrokd.client.controller import Controller
from zrokd.client.environment import EnvironmentFile, default_folder
from zrokd.client.grants import Grants
from zrokd.client.holds import holds_folder
from zrokd.client.ledger import Ledger
from zrokd.contracts import ACCESS, Health, Node, Role, Task
from zrokd.errors import RestartNeeded, StartError, ZrokdError
from zrokd.model.http import RequestHead, Route
from zrokd.model.units import Address, Secret
from zrokd.net.http1.tracker import farewell_s
from zrokd.net.meter import Meter

from .doors import Doors
from .entrance import Entrance
from .raw import RawHandler
from .reach import Reach
from .settings import AccessSettings, FrontendSettings
from .usage import flush, report

_LAST_REPORT_S = 1.0  # a controller that answers does so sooner
_FIXED = ("controller", "token", "ca", "environment")


class FrontendRole(Role):
    """Lets visitors in: to public shares by name, to private ones by a port of this host."""

    name = "frontend"
    Settings = FrontendSettings

    def __init__(self, settings: FrontendSettings, ctx: Any) -> None:
        super().__init__(settings, ctx)
        self._meter = Meter(ctx.clock.now_ms)
        self._doors = Doors(settings, ctx, self._meter)
        self._entrance: Entrance | None = None
        self._ledger: Ledger | None = None
        self._accesses: list[Access] = []
        self._leaving: list[Access] = []  # no longer wanted; their connections go on
        self._grants: Grants | None = None
        self._node: Node | None = None  # of the environment that accesses use
        self._reach = Reach(self._environment_node, lambda: self._doors.settings.dial_timeout, ACCESS)
        self._controllers: list[Controller] = []
        self._tasks: list[Task] = []

    def open(self) -> None:
        """Open gates and filters and take the ports. :raises ZrokdError: one of them cannot be had."""
        self._doors.change(self.settings, self._doors.prepare(self.settings))
        if self.settings.listen is not None:
            source = self._controller(self.settings.controller, self.settings.token, self.settings.ca)
            self._ledger = Ledger(source, self.ctx.log)
            self._entrance = Entrance(self.ctx.listen(self.settings.listen), source, self._doors, self.ctx)
        for settings in self.settings.accesses:
            self._accesses.append(self._access(settings))

    def serve(self) -> None:
        """Let visitors in. :raises ZrokdError: the controller refuses a required access."""
        self._tasks = [
            self.ctx.spawn(report, self._meter, self._ledger, self.ctx, name="usage"),
            self.ctx.spawn(self._doors.sweep, name="idle connections"),
        ]
        if self._ledger:
            self._tasks.append(self.ctx.spawn(self._ledger.run, name="usage to the controller"))
        if self._entrance:
            self._entrance.start()
        for access in self._accesses:
            access.start(self.ctx.fail)

    def drain(self, deadline_s: float) -> None:
        """Let nobody new in; wait for those inside, `deadline_s` seconds at most."""
        until_s = self.ctx.clock.monotonic() + deadline_s
        every = [*self._serving(), *self._leaving]
        if self._ledger:
            self._ledger.ending = True
        for each in every:
            each.stop()
        self._doors.drain()
        self._wait(every, until_s - farewell_s(deadline_s))
        self._doors.farewell()
        self._wait(every, until_s)

    def _wait(self, every: Iterable[Entrance | Access], until_s: float) -> None:
        for each in every:
            each.drain(max(until_s - self.ctx.clock.monotonic(), 0.0))

    @classmethod
    def settings_of_worker(cls, settings: FrontendSettings) -> FrontendSettings:
        """The public entrance alone: a port of an access is one process's."""
        return settings.model_copy(update={"accesses": []})

    @property
    def workers(self) -> int:
        """As many as the settings say; private accesses need no further ones."""
        return self.settings.workers if self.settings.listen is not None else 1

    def listening(self) -> Mapping[Address, int]:
        """Where visitors come in."""
        if self._entrance is None or self.settings.listen is None:
            return {}
        return {self.settings.listen: self._entrance.fileno()}

    @property
    def active(self) -> int:
        """Connections of visitors inside."""
        return sum(each.active for each in [*self._serving(), *self._leaving])

    def close(self) -> None:
        """Cut what is left, give accesses back, hand over the last usage. Idempotent."""
        for access in [*self._accesses, *self._leaving]:
            access.close()
        if self._grants:
            self._grants.close()
        if self._entrance:
            self._entrance.close()
        self._doors.close()
        for task in self._tasks:
            task.kill()
        self._settle()
        for controller in self._controllers:
            controller.close()
        node, self._node = self._node, None
        if node:
            node.close()

    def _settle(self) -> None:
        """Hand over the last usage; a controller that does not answer is not waited for."""
        flush(self._meter, self._ledger, self.ctx)
        if self._ledger is None or not self._ledger.owed:
            return
        telling = self.ctx.spawn(self._ledger.settle, name="last usage")
        telling.join(_LAST_REPORT_S)
        telling.kill()
        if self._ledger.owed:
            self.ctx.log.info(
                "the controller was not told the last of what went through shares (%d)", self._ledger.owed
            )

    def health(self) -> Health:
        """Ok when every listener takes connections and names are known; the detail says how old they are."""
        told = [each.health() for each in self._serving()]
        return Health(ok=all(part.ok for part in told), detail="; ".join(part.detail for part in told if part.detail))

    def reload(self, settings: FrontendSettings) -> None:
        """Work by `settings`: gates, filters, limits, accesses, the listening address. Nobody inside is cut.

        :raises RestartNeeded: how the controller is reached, or whether there is a public entrance, changed.
        :raises ZrokdError: a port, a gate, a filter or an access cannot be had; everything is as it was.
        """
        self._check_restart(settings)
        kept = [access for access in self._accesses if access.settings in settings.accesses]
        held = [access.settings for access in kept]
        with ExitStack() as undo:
            fittings = self._doors.prepare(settings)
            undo.callback(self._doors.discard, fittings)
            moved = None
            if settings.listen is not None and settings.listen != self.settings.listen:
                moved = self.ctx.listen(settings.listen)
                undo.callback(moved.close)
            added = [self._started(new, undo) for new in settings.accesses if new not in held]
            undo.pop_all()
        self._doors.change(settings, fittings)
        self.settings = settings
        if self._entrance:
            self._entrance.change()
            if moved:
                self._entrance.move(moved)
        gone = [access for access in self._accesses if access not in kept]
        self._accesses = [*kept, *added]
        for access in gone:
            access.stop()
            access.give_back()
            self._leaving.append(access)

    def _serving(self) -> list[Entrance | Access]:
        entrance: list[Entrance | Access] = [self._entrance] if self._entrance else []
        return [*entrance, *self._accesses]

    def _check_restart(self, settings: FrontendSettings) -> None:
        fixed = [key for key in _FIXED if getattr(settings, key) != getattr(self.settings, key)]
        if (settings.listen is None) != (self.settings.listen is None):
            fixed.append("listen")
        if settings.limits.max_connections != self.settings.limits.max_connections:
            fixed.append("limits.max_connections")
        if self._changes_in_place(settings):
            fixed.append("accesses")
        if fixed:
            raise RestartNeeded([f"roles.{self.name}.{key}" for key in fixed])

    def _changes_in_place(self, settings: FrontendSettings) -> bool:
        """Whether an access would change and keep its port, which its old form still holds."""
        held = {str(access.settings.listen): access.settings for access in self._accesses}
        fixed = [new for new in settings.accesses if new.listen.port or new.listen.path]
        return any(held.get(str(new.listen), new) != new for new in fixed)

    def _started(self, settings: AccessSettings, undo: ExitStack) -> Access:
        access = self._access(settings)
        undo.callback(access.close)
        access.start(self._log_refusal)
        return access

    def _log_refusal(self, error: ZrokdError) -> None:
        self.ctx.log.error("%s", error)

    def _access(self, settings: AccessSettings) -> Access:
        if self._grants is None:
            self._enter()
        assert self._grants is not None
        sock = self.ctx.listen(settings.listen)
        limit = self.settings.limits.max_connections
        return Access(settings, sock, self._grants, self._handler, limit, self.ctx)

    def _enter(self) -> None:
        """Take up the environment that accesses use. :raises ZrokdError: this host is not enabled, or not any more."""
        folder = _folder(self.settings.environment)
        environment = EnvironmentFile(folder).load()
        if environment is None:
            raise StartError(
                f"this host is not enabled ({folder} holds no environment): run `zrokd enable TOKEN` first"
            )
        ca = self.settings.ca or environment.ca
        controller = self._controller(environment.controller, environment.account_token, ca)
        self._node = self.ctx.overlay.node(environment.identity.document)
        holds = holds_folder(folder, self.ctx.state_dir)
        self._grants = Grants(controller, environment.identity.z_id, holds, self.ctx.log)

    def _controller(self, url: str, token: Secret, ca: str) -> Controller:
        made = Controller(url, token, verify=ca or True)
        self._controllers.append(made)
        return made

    def _handler(self, share: str, mode: str, http: bool) -> Handler:  # noqa: FBT001
        if not http:
            return RawHandler(share, self._reach, self._doors, self.ctx)
        fixed = Route(host=share, token=share, mode=mode)

        def router(_head: RequestHead) -> Route:
            return fixed

        return self._doors.make(router, self._reach)

    def _environment_node(self) -> Node:
        assert self._node is not None
        return self._node


def _folder(text: str) -> Path:
    """The folder of an environment that is named by itself, by its file, or not at all."""
    path = Path(text).expanduser() if text else default_folder()
    return path.parent if path.suffix == ".json" else path
