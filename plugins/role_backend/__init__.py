"""The backend: keeps the shares of one environment bound, and gives each connection to the share's mode."""

from __future__ import annotations

import importlib
import platform
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zrokd import hookimpl
from zrokd.client.backoff import Backoff
from zrokd.client.binds import BindsFile, binds_folder
from zrokd.client.controller import Controller
from zrokd.client.enrolment import EnrolmentFile
from zrokd.client.environment import EnabledEnvironment, EnvironmentFile
from zrokd.client.grants import Grants
from zrokd.client.holds import Holds, holds_folder, writable_folder
from zrokd.contracts import Health, Mode, Role, Task
from zrokd.errors import Denied, RestartNeeded, StartError, ZrokdError
from zrokd.model.naming import new_token
from zrokd.model.units import Secret
from zrokd.net.meter import Meter

from .memory import Memory
from .office import Link, Office
from .reporter import Reporter
from .settings import BackendSettings, ShareSettings, keyed
from .supervisor import Supervisor
from .tally import Tally

if TYPE_CHECKING:
    from .agent import Agent
    from .keeper import Keeper

_SLOW_S = 30.0
_SWAP_S = 5.0
_SURE_S = 5.0
_TELL_S = 1.0  # at least, for a controller that is told that we end
_RELEASE_S = 2.0  # at least, however long the connections took
_RELOADED = {"shares", "verify", "verify_timeout", "release_on_exit"}


class BackendRole(Role):
    """Shares what its settings list."""

    name = "backend"
    Settings = BackendSettings

    def __init__(self, settings: BackendSettings, ctx: Any) -> None:
        super().__init__(settings, ctx)
        self._file = EnvironmentFile(Path(settings.environment).expanduser() if settings.environment else ctx.state_dir)
        self._enabled: EnabledEnvironment | None = None
        self._link = Link(ctx.log)
        self._office: Office | None = None
        self._agent: Agent | None = None
        self._keeper: Keeper | None = None  # does what the agent is told
        self._tally: Tally | None = None
        self._modes: dict[str, Mode] = {}
        self.supervisors: dict[str, Supervisor] = {}
        self._tasks: list[Task] = []
        self._reporter: Reporter | None = None
        self._renewing = threading.Lock()
        self._sure_until = 0.0  # that the environment is there
        self._ended = ""  # what was said of the environment's end
        self._starting = ""  # why the shares are not tried yet
        self.connect: Callable[[str, Secret], Controller] = self._connect

    def _connect(self, url: str, token: Secret) -> Controller:
        ca = self.settings.ca or (self._enabled.ca if self._enabled else "")
        return Controller(url, token, verify=ca or True)

    # -- life ---

    def open(self) -> None:
        """Read the environment and make the modes.

        :raises StartError: no environment, and no way to get one.
        :raises PluginError: this daemon has no overlay.
        """
        _ = self.ctx.overlay
        self._enabled = self.ctx.offload(self._file.load)
        if self._enabled is None and self.settings.token is None:
            raise StartError(
                f"no enabled environment in {self._file.path.parent}; run `zrokd enable`, or give the backend a `token`"
            )
        if self.settings.agent:
            _require_agents_packages()
        self._modes = self._build(keyed(self.settings.shares))

    def serve(self) -> None:
        """Begin to share."""
        self._tasks.append(self.ctx.spawn(self._begin, name="backend"))

    def drain(self, deadline_s: float) -> None:
        """Unbind everything, wait for the connections that run, then release what is not to last."""
        until = time.monotonic() + deadline_s
        self._kill_tasks()
        if self._agent is not None:
            self._agent.stop()
        for each in self._serving():
            each.stop()
        telling = self.ctx.spawn(self._reporter.end, name="last report") if self._reporter is not None else None
        left_s = max(0.0, until - time.monotonic())
        for task in [self.ctx.spawn(each.drain, left_s, name="drain") for each in self._serving()]:
            task.join()
        if telling is not None and not telling.join(max(_TELL_S, until - time.monotonic())):
            telling.kill()
        if self.settings.release_on_exit and self._office is not None:
            releasing = self.ctx.spawn(self._release, sorted(self.supervisors), name="release")
            if not releasing.join(max(_RELEASE_S, until - time.monotonic())):
                self.ctx.log.warning("the controller did not release the shares in time")

    @property
    def active(self) -> int:
        """Connections of visitors served now."""
        return sum(each.active for each in self._serving())

    def _serving(self) -> list[Supervisor | Keeper]:
        return [*self.supervisors.values(), *([self._keeper] if self._keeper else [])]

    def close(self) -> None:
        """Give back the overlay node and the connections to the controller."""
        self._kill_tasks()
        if self._agent is not None:
            self._agent.stop()
        for each in self._serving():
            each.stop()
            each.drain(0.0)
        self.supervisors.clear()
        if self._keeper is not None:
            self._keeper.close()
        if self._reporter is not None:
            self._reporter.close()
            self._reporter = None
        if self._tally is not None:
            self._tally.close(self.ctx.spawn)
            self._tally = None
        if self._office is not None:
            self._office.close()
            self._office = None

    def _kill_tasks(self) -> None:
        while self._tasks:
            self._tasks.pop().kill()

    def health(self) -> Health:
        """Well while every share is bound."""
        if self._starting or not self._serving():
            return Health(not self.settings.shares, self._starting or "nothing is shared yet")
        every = self.supervisors.values()
        others = [f"{one.share.label}: {trouble}" for one in every if (trouble := one.trouble)]
        others += [self._agent.trouble] if self._agent and self._agent.trouble else []
        told = f"{len(every) - len(others)} of {len(every)} shares are bound"
        return Health(not others, "; ".join([told, *others]))

    # -- beginning ---

    def _begin(self) -> None:
        backoff = Backoff(limit_s=5.0)
        while self._office is None:
            try:
                self._office = self._make_office()
            except Denied as error:
                self._starting = f"the controller does not let us in: {error}"
                self.ctx.log.error("%s", self._starting)
                time.sleep(_SLOW_S)
            except ZrokdError as error:
                self._starting = str(error)
                self._link.lost(str(error))
                time.sleep(backoff.next_s())
        self._starting = ""
        self._tally = Tally(self._office, Meter(self.ctx.clock.now_ms), self._on_limited, self.ctx.log)
        self._tasks.append(self.ctx.spawn(self._tally.run, name="usage to the controller"))
        self._begin_reports(self._office)
        shares = keyed(self.settings.shares)
        for key, mode in self._modes.items():
            self._start(key, shares[key], mode)
        told = self._start_agent()
        self._release(sorted(self._office.memory.keys() - shares.keys() - told))
        known = self._office.memory.keys()
        self._office.settle([*told, *(key for key, share in shares.items() if share.lasting or key in known)])

    def _start_agent(self) -> set[str]:
        """Begin to take orders, where the settings want that; the keys of what was shared by order before."""
        if not self.settings.agent:
            return set()
        from .agent import Agent
        from .keeper import Keeper

        assert self._office is not None
        office, folder = self._office, self._file.path.parent
        file = EnrolmentFile(writable_folder(folder, self.ctx.state_dir))
        grants = Grants(office.controller, office.z_id, holds_folder(folder, self.ctx.state_dir), self.ctx.log)
        self._keeper = Keeper(self, office, grants, self.ctx, most=self.settings.max_streams)
        told = self._keeper.resume()
        self._agent = Agent(self._keeper, office, file, self.ctx)
        self._agent.start()
        return told

    def _begin_reports(self, office: Office) -> None:
        file = BindsFile(binds_folder(self._file.path.parent, self.ctx.state_dir), new_token())
        self._reporter = Reporter(self.supervisors.values, office, file, self.ctx)
        self._tasks.append(self.ctx.spawn(self._reporter.run, name="reports of binds"))

    def _make_office(self) -> Office:
        enabled = self._enabled or self._enable()
        self._enabled = enabled
        node = self.ctx.overlay.node(enabled.identity.document)
        memory = Memory(self.ctx.state_dir / "shares.json", self.ctx.offload, self.ctx.log)
        memory.load(enabled.identity.z_id)
        controller = self.connect(self.settings.controller or enabled.controller, enabled.account_token)
        holds = Holds(holds_folder(self._file.path.parent, self.ctx.state_dir), controller, self.ctx.log)
        return Office(controller, enabled.identity.z_id, node, memory, self._link, holds, self.ctx.log)

    def _enable(self) -> EnabledEnvironment:
        settings = self.settings
        controller = self.connect(settings.controller, settings.token)
        host = platform.node()
        identity = controller.enable(
            settings.description or f"backend on {host}", "; ".join([host, platform.system(), platform.machine()])
        )
        controller.close()
        enabled = EnabledEnvironment(
            controller=settings.controller, account_token=settings.token, identity=identity, ca=settings.ca
        )
        self.ctx.offload(self._file.save, enabled)
        self._link.back()
        self.ctx.log.info("this host is enabled as environment %s", identity.z_id)
        return enabled

    def renew(self, z_id: str) -> bool:
        """Enable this host again when somebody ended its environment `z_id`; whether there is another one now."""
        office = self._office
        assert office is not None
        with self._renewing:
            try:
                if office.z_id != z_id:
                    return True
                if self._is_there(office):
                    return False
                if self.settings.token is None:
                    self._tell_ended(f"environment {z_id} was ended; run zrokd enable again, and restart this daemon")
                    return False
                self._tell_ended(f"environment {z_id} was ended; this host enables itself again")
                self._enabled = self._enable()
                office.move(self._enabled.identity.z_id, self.ctx.overlay.node(self._enabled.identity.document))
            except ZrokdError as error:
                self.ctx.log.debug("the environment is not made anew: %s", error)
                return False
            return True

    def _is_there(self, office: Office) -> bool:
        """Asked now and then, however many shares wonder."""
        if time.monotonic() < self._sure_until:
            return True
        if office.is_gone():
            return False
        self._sure_until = time.monotonic() + _SURE_S
        return True

    def _tell_ended(self, sentence: str) -> None:
        if sentence != self._ended:
            self.ctx.log.warning("%s", sentence)
        self._ended = sentence

    def _build(self, shares: dict[str, ShareSettings]) -> dict[str, Mode]:
        built: dict[str, Mode] = {}
        try:
            for key, share in shares.items():
                built[key] = self.ctx.build(share.use, share.instance)
        except BaseException:
            for mode in built.values():
                self.ctx.release(mode)
            raise
        return built

    def _start(self, key: str, share: ShareSettings, mode: Mode) -> Supervisor:
        assert self._office is not None and self._tally is not None
        supervisor = Supervisor(
            key, share, mode, self._office, self._tally, lambda: self.settings, self.renew, self.ctx
        )
        self.supervisors[key] = supervisor
        supervisor.start()
        return supervisor

    def begin(self, key: str, share: ShareSettings) -> Supervisor:
        """Share something that the settings do not list. :raises ZrokdError: its mode cannot be opened."""
        return self._start(key, share, self.ctx.build(share.use, share.instance))

    def end(self, key: str) -> None:
        """End what `begin` began, also at the controller; its connections go on for a while. Idempotent."""
        supervisor = self.supervisors.pop(key, None)
        if supervisor is None:
            return
        supervisor.stop()
        self._release([key])
        self._tasks = [task for task in self._tasks if not task.done]
        self._tasks.append(self.ctx.spawn(self._retire, key, supervisor, name=f"retire {supervisor.share.title}"))

    def _on_limited(self, limited: frozenset[str]) -> None:
        for supervisor in self.supervisors.values():
            supervisor.heed(limited)

    def _release(self, keys: list[str]) -> None:
        assert self._office is not None
        for key in keys:
            self._office.release(key)

    # -- reload ---

    def reload(self, settings: BackendSettings) -> None:
        """Start, replace and end shares; those whose settings did not change are not touched."""
        changed = [key for key in BackendSettings.model_fields if getattr(settings, key) != getattr(self.settings, key)]
        fixed = [f"roles.{self.name}.{key}" for key in changed if key not in _RELOADED]
        if fixed:
            raise RestartNeeded(fixed)
        old, new = keyed(self.settings.shares), keyed(settings.shares)
        fresh = self._build({key: share for key, share in new.items() if old.get(key) != share})
        self.settings = settings
        gone = {key: self._modes.pop(key) for key in old if key in fresh or key not in new}
        self._modes.update(fresh)
        if self._office is None:
            for mode in gone.values():
                self.ctx.release(mode)
            return
        self._tasks = [task for task in self._tasks if not task.done]
        retired = {key: self.supervisors.pop(key) for key in gone}
        for key, mode in fresh.items():
            self._start(key, new[key], mode)
        for key, supervisor in retired.items():
            self._tasks.append(self.ctx.spawn(self._retire, key, supervisor, name=f"retire {supervisor.share.title}"))

    def _retire(self, key: str, supervisor: Supervisor) -> None:
        """End a share that was taken away, or, once its successor is bound, one that was replaced."""
        successor = self.supervisors.get(key)
        try:
            if successor is not None:
                successor.bound.wait(_SWAP_S)
        finally:
            supervisor.stop()
        if successor is None:
            self._release([key])
        supervisor.drain(_SLOW_S)
        self.ctx.release(supervisor.mode)


def _require_agents_packages() -> None:
    """:raises StartError: what agents speak with is not installed."""
    try:
        for name in ("zrokd.net.grpc", "zrokd.wire.agent_messages"):
            importlib.import_module(name)
    except ImportError as error:
        raise StartError(f"`agent: true` needs more packages ({error}); run pip install 'zrokd[agent]'") from error


@hookimpl
def zrokd_provide_roles() -> Iterable[type[Role]]:
    """This role."""
    return [BackendRole]
