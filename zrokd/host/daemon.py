"""The daemon: load, open, serve, reload, drain, close."""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from gevent.queue import Empty, Queue

from zrokd.contracts import Role
from zrokd.errors import ConfigError, PluginError, Problem, RestartNeeded, StartError, ZrokdError
from zrokd.host.components import Components
from zrokd.host.greenlets import Greenlets, GreenletTask
from zrokd.host.health import HealthServer
from zrokd.host.lifeline import Lifeline
from zrokd.host.limits import forbid_cores, raise_descriptor_limit
from zrokd.host.loading import Loading
from zrokd.host.lock import StateLock
from zrokd.host.logs import Logs
from zrokd.host.registry import Registry
from zrokd.host.reload import Reload
from zrokd.host.sockets import Sockets
from zrokd.host.spare import keep_giving_back
from zrokd.host.systemd import Inherited, Notifier, take_sockets
from zrokd.host.watchdog import Watchdog
from zrokd.host.workers import Workers
from zrokd.model.units import Address
from zrokd.net.faults import faults

if TYPE_CHECKING:
    from zrokd.config.load import Configuration

LOG = logging.getLogger("zrokd.daemon")
_CLOSE_S = 5.0  # after the drain, for roles that do not keep to it
_QUIET_S = 0.2  # what ends within that is not told as a drain
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# In the queue of signals:
_ENDED = 0  # the greenlet we wait for is over
_FAILED = -1  # a component said that this daemon cannot do what it is for


class Daemon:
    """One running zrokd. `run` for a process of its own; `start`, `reload`, `stop` for tests and embedding."""

    def __init__(
        self,
        configuration: Configuration,
        registry: Registry,
        *,
        load: Callable[[], Configuration] | None = None,
        listeners: Sequence[object] = (),
        logs: Logs | None = None,
        inherited: Sequence[Inherited] = (),
        lifeline: Lifeline | None = None,
    ) -> None:
        """`load` reads the configuration again for a reload; `listeners` are told hooks like components are.

        `inherited` are listening sockets to be used before new ones, beside those of the service manager. With a
        `lifeline` this is a worker: of the daemon at its other end, which has lock and health answers for both.

        :raises StartError: the service manager handed over something that is no listening socket.
        """
        self.configuration = configuration
        self._listeners, self._logs = listeners, logs
        self._lifeline = lifeline
        self._notifier = lifeline or Notifier(os.environ)
        self._lock = StateLock(configuration.state_dir)
        self._greenlets = Greenlets(LOG)
        self._watchdog = Watchdog(self._notifier, self._greenlets, LOG)
        self._health: HealthServer | None = None
        self._stopping = False
        self._ended = Event()
        self._signals: Any = Queue()
        self._failure: ZrokdError | None = None
        self._sockets = Sockets([*inherited, *take_sockets(os.environ)])
        self.components = Components(configuration.state_dir, registry, self._sockets, LOG)
        self.components.on_failure = self.fail
        self._load = Loading(load, self.components.threads) if load is not None else None
        self._retirements: list[GreenletTask] = []  # of roles that a reload took away
        self._workers = Workers(lambda role: self.components.scales(self.components.label(role)), LOG)

    # -- life ---

    def start(self) -> None:
        """Open everything and serve. :raises ZrokdError: nothing is left open. Switches greenlets."""
        try:
            self._begin()
        except BaseException:
            self._close()
            raise
        self._notifier.ready(self._status())
        LOG.info("serving %s", self._status())
        self.components.plugins.on_ready()

    def reload(self) -> bool:
        """Take up the configuration as it is now; whether that went well. Never half. Switches greenlets."""
        self._notifier.reloading()
        try:
            done = self._reloaded()
        finally:
            self._notifier.ready(self._status())
        if not done and self._lifeline is not None:
            self.fail(StartError("the daemon's new configuration cannot be taken up here"))
        return done

    def stop(self, drain_s: float | None = None) -> None:
        """Drain for `drain_s` seconds (default: the configuration's) at most, then close. Switches greenlets.

        Idempotent; a second caller waits for the first.
        """
        if self._stopping or self._ended.is_set():
            self._ended.wait()
            return
        self._stopping = True
        if self._lifeline is not None:
            self._sockets.close()  # they are the daemon's, too: nobody shall wait at them for the end of a drain
        self._notifier.stopping()
        if self._health is not None:
            self._health.draining = True
        self.components.plugins.on_draining()
        deadline_s = self.configuration.drain_s if drain_s is None else drain_s
        until = time.monotonic() + deadline_s
        workers = self._greenlets.spawn(self._workers.stop, deadline_s, name="drain workers")
        self._end_roles(deadline_s)
        for retirement in self._retirements:
            retirement.join(max(0.0, until - time.monotonic()))
        workers.join()
        self._close()

    def open_connections(self) -> int:
        """How many requests and streams the roles still carry; for the drain's countdown."""
        return sum(int(getattr(role, "active", 0)) for role in self.components.roles.values())

    # -- a process of its own ---

    def run(self, on_drain: Callable[[int, float], None] | None = None, *, last: bool = False) -> int:
        """Serve until SIGTERM or SIGINT; the exit code, 0 after SIGTERM. A second SIGINT ends at once (130). Blocks.

        Without a file to read again SIGHUP is one more SIGTERM: the terminal is gone. Who started us with SIGHUP
        ignored (nohup) wants us to outlive it.

        `on_drain(signal, seconds left)` is called at the beginning of the drain, soon after, and then once a second.
        `last`: the process ends after this, and signals that still come do not change its exit code.

        :raises ZrokdError: it could not start, or `fail` was called.
        """
        heard = [number for number in _SIGNALS if number != signal.SIGHUP or not self._outlives_terminal()]
        watchers = [gevent.signal_handler(number, self._signals.put, number) for number in heard]
        if self._lifeline is not None:
            told = partial(self._signals.put, signal.SIGHUP), partial(self._signals.put, signal.SIGTERM)
            self._greenlets.spawn(self._lifeline.follow, *told, name="lifeline")
        try:
            return self._run(on_drain, keep=last)
        finally:
            if last:  # the watchers stay: one that is stopped brings the default action back, and that kills
                for number in heard:
                    signal.signal(number, signal.SIG_IGN)
            else:
                for watcher in watchers:
                    watcher.cancel()

    def fail(self, error: ZrokdError) -> None:
        """`run` drains, closes, and raises `error`; the first one counts. Does not switch greenlets."""
        if self._failure is None:
            self._failure = error
            self._signals.put(_FAILED)

    def _outlives_terminal(self) -> bool:
        return self._load is None and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN

    def _is_reload(self, number: int) -> bool:
        return number == signal.SIGHUP and self._load is not None

    def _run(self, on_drain: Callable[[int, float], None] | None, *, keep: bool) -> int:
        starting, again = _Attempt(self.start, self._signals), False
        number = int(self._signals.get())
        while number == _FAILED or self._is_reload(number):
            again |= number != _FAILED
            number = int(self._signals.get())
        if again:  # the file changed while it was taken up: read it again, once it serves
            self._signals.put(signal.SIGHUP)
        if number != _ENDED:
            starting.kill()
            return 0 if number == signal.SIGTERM else 128 + number
        starting.get()
        if keep:
            gc.collect()
            gc.freeze()  # what is there now stays, and need not be looked through for garbage: all wait meanwhile
        number = self._reload_until_told()
        if self._failure is not None:
            self._stop_unless_asked_again(lambda _left_s: None)
            raise self._failure
        return self._stop_unless_asked_again(partial(on_drain, number) if on_drain else lambda _left_s: None)

    def _reload_until_told(self) -> int:
        """Reload at each SIGHUP; the first other signal, which also ends a reload that hangs in some plugin."""
        again = number = 0
        while self._failure is None and self._is_reload(number := again or int(self._signals.get())):
            reloading, again = _Attempt(self.reload, self._signals), 0
            while self._is_reload(number := int(self._signals.get())):
                again = number
            if number != _ENDED:
                reloading.kill()
                break
            try:
                reloading.get()
            except StartError as error:
                LOG.error("%s; the old state stays", error)
        return number

    def _stop_unless_asked_again(self, told: Callable[[float], None]) -> int:
        until = time.monotonic() + self.configuration.drain_s
        stopping, pause_s = _Attempt(self.stop, self._signals), _QUIET_S
        while True:
            told(max(0.0, until - time.monotonic()))
            number, pause_s = _next(self._signals, pause_s), 1.0
            if number == _ENDED:
                stopping.get()
                return 0
            if number == signal.SIGINT:
                return 128 + number

    # -- parts ---

    def _begin(self) -> None:
        self._apply_logs(self.configuration)
        forbid_cores()
        raise_descriptor_limit(LOG)
        if self._lifeline is None:
            self._lock.acquire()
        for listener in self._listeners:
            self.components.plugins.register(listener, f"listener.{type(listener).__name__}")
        self.components.open_all(self.configuration)
        if self._lifeline is None:
            self._health = self._open_health()
        for role in self.components.roles.values():
            self.components.attempt(type(role), "started", role.serve)
        self._follow_with_workers()
        self._watchdog.start()
        self._greenlets.spawn(keep_giving_back, self.components.threads.offload, name="spare memory")
        _warn(self.configuration.warnings)
        for unused in self._sockets.unused():
            LOG.warning("the service manager handed over a socket that nothing listens on: %s", unused)

    def _follow_with_workers(self) -> None:
        """:raises ZrokdError: one does not serve, or a role cannot tell how many it wants."""
        try:
            if self._lifeline is None:
                self._workers.follow(self.components.roles, self.configuration)
        except ZrokdError:
            raise
        except faults() as error:
            LOG.debug("workers", exc_info=True)
            raise PluginError(f"the workers of the roles cannot be told: {type(error).__name__}: {error}") from error

    def _apply_logs(self, configuration: Configuration) -> None:
        if self._logs is not None:
            self._logs.apply(configuration.log.level, configuration.log.format, configuration.secrets)

    def _open_health(self) -> HealthServer:
        configured: Address | None = self.configuration.health.listen
        address = configured or Address(path=str(self.configuration.state_dir.absolute() / "health.sock"))
        server = HealthServer(self.components, self._workers.missing, self._sockets.listen(address), LOG)
        server.start()
        return server

    def _reloaded(self) -> bool:
        if self._load is None:
            LOG.error("reload refused: this daemon has no file to read again")
            return False
        try:
            fresh = self._load()
            step = Reload(self.components, self.configuration, fresh, LOG)
            step.apply()
        except ConfigError as error:
            for problem in error.problems:
                LOG.error("reload refused, the old state stays: %s", ConfigError([problem]))
            return False
        except RestartNeeded as error:
            LOG.error("reload refused, the old state stays: %s", error)
            return False
        except ZrokdError as error:
            LOG.error("reload failed, the old state stays: %s", error)
            return False
        except faults():
            LOG.exception("reload failed in a way nobody foresaw, the old state stays")
            return False
        known, self.configuration = self.configuration.warnings, fresh
        self._apply_logs(fresh)
        _warn(problem for problem in fresh.warnings if problem not in known)
        self._retirements = [task for task in self._retirements if not task.done]
        self._retirements += [self._greenlets.spawn(self._retire, role, name="retire a role") for role in step.retired]
        try:
            self._follow_with_workers()
        except ZrokdError as error:
            LOG.error("%s", error)
        LOG.info("reloaded: %s", ", ".join(step.changed) or "nothing changed")
        return True

    def _retire(self, role: Role) -> None:
        self._drain([role], self.configuration.drain_s)
        self.components.end(role)

    def _end_roles(self, deadline_s: float) -> None:
        """Drain them; those that others need only when these are closed, in what is left of the time."""
        until = time.monotonic() + deadline_s
        roles = self.components.roles.values()
        last, others = [role for role in roles if role.ends_last], [role for role in roles if not role.ends_last]
        self._drain(others, deadline_s)
        if last:
            for role in reversed(others):
                self.components.end(role)
            self._drain(last, max(0.0, until - time.monotonic()))

    def _drain(self, roles: Sequence[Role], deadline_s: float) -> None:
        drains: list[GreenletTask] = [
            self._greenlets.spawn(role.drain, deadline_s, name=f"drain {self.components.label(role)}") for role in roles
        ]
        with gevent.Timeout(deadline_s + _CLOSE_S, False):
            for drain in drains:
                drain.join()
        for drain in drains:
            drain.kill()

    def _close(self) -> None:
        self._watchdog.stop()
        self._greenlets.kill_all()
        self._workers.close()
        if self._health is not None:
            self._health.close()
        self.components.end_all()
        for listener in self._listeners:
            self.components.plugins.unregister(listener)
        self._lock.close()
        self._notifier.close()
        if self._stopping:
            LOG.info("a worker stopped" if self._lifeline else "stopped")
        if self._logs is not None:
            self._logs.close()
        self._ended.set()

    def _status(self) -> str:
        roles = ", ".join(self.components.roles) or "no role"
        return f"{roles} in one more process" if self._lifeline else roles


def _warn(problems: Iterable[Problem]) -> None:
    for problem in problems:
        LOG.warning("%s", ConfigError([problem]))


def _next(signals: Any, timeout_s: float) -> int | None:
    """The next number in the queue, or None after `timeout_s` seconds."""
    try:
        return int(signals.get(timeout=timeout_s))
    except Empty:
        return None


class _Attempt:
    """Runs `function` in a greenlet of its own and puts _ENDED on `queue` at its end; `get` raises what it raised."""

    def __init__(self, function: Callable[[], object], queue: Any) -> None:
        self._function, self._queue = function, queue
        self._error: BaseException | None = None
        self._tells = True
        self._greenlet = gevent.spawn(self._go)
        self._greenlet.name = getattr(function, "__name__", "attempt")

    def _go(self) -> None:
        try:
            self._function()
        except BaseException as error:
            self._error = error
        finally:
            if self._tells:
                self._queue.put(_ENDED)

    def get(self) -> None:
        """Wait for its end. :raises StartError: it was ended by what is no Exception, which would end this one, too."""
        self._greenlet.join()
        if isinstance(self._error, Exception):
            raise self._error
        if self._error is not None:
            raise StartError(f"the {self._greenlet.name} was cut by {self._error!r} of some plugin") from self._error

    def kill(self) -> None:
        """End it, untold; its own clean-up runs first."""
        self._tells = False
        GreenletTask(self._greenlet, LOG).kill()
