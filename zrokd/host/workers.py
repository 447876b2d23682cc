"""Further processes of roles that want more than one core: started, watched, replaced, ended.

All of them accept at the daemon's own listening sockets, so that no connection is lost when one of them ends.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from zrokd.contracts import Role
from zrokd.errors import StartError
from zrokd.host.greenlets import Greenlets
from zrokd.host.lifeline import SILENCE_S, Leash
from zrokd.model.units import Address
from zrokd.net.scales import Scales

if TYPE_CHECKING:
    from zrokd.config.load import Configuration

_START_S = 60.0  # until it serves
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_STEADY_S = 60.0  # who served for so long is started again at once
_LATE_S = 5.0  # after the drain
_NOT_THEIRS = frozenset(["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"])


class Workers:
    """The crews of all roles, by role name."""

    def __init__(self, scales: Callable[[Role], Scales], log: logging.Logger) -> None:
        """`scales` gives those of a role."""
        self._scales, self._log = scales, log
        self._greenlets = Greenlets(log)
        self._crews: dict[str, Crew] = {}
        self._leaving: set[Crew] = set()

    def follow(self, roles: Mapping[str, Role], configuration: Configuration) -> None:
        """From now on the workers of these roles, by this configuration. Switches greenlets.

        :raises StartError: one of them does not serve; it is tried again and again until `stop` or the next call.
        """
        before, self._crews = self._crews, {}
        for name, role in roles.items():
            if name in before and before[name].suits(role):
                self._crews[name] = before.pop(name)
                self._crews[name].change(configuration)
            elif role.workers > 1:
                self._crews[name] = Crew(name, role, self._scales(role), configuration, self._log)
        self._leaving.update(before.values())
        for crew in self._crews.values():
            crew.start()
        try:
            for crew in self._crews.values():
                crew.wait_ready()
        finally:
            for crew in before.values():
                self._greenlets.spawn(self._retire, crew, configuration.drain_s, name=f"end workers of {crew.name}")

    def missing(self, name: str) -> str:
        """Which part of a role's workers does not serve, in a few words; "" when all do."""
        crew = self._crews.get(name)
        return f"{crew.missing} of {crew.count} workers do not serve" if crew is not None and crew.missing else ""

    def stop(self, deadline_s: float) -> None:
        """Let all of them drain, `deadline_s` seconds at most; then end them. Idempotent. Switches greenlets."""
        every = [*self._crews.values(), *self._leaving]
        for task in [self._greenlets.spawn(crew.stop, deadline_s, name="end workers") for crew in every]:
            task.join()

    def close(self) -> None:
        """End what is left at once. Idempotent. Switches greenlets."""
        self._greenlets.kill_all()
        for crew in [*self._crews.values(), *self._leaving]:
            crew.kill()
        self._crews.clear()
        self._leaving.clear()

    def _retire(self, crew: Crew, drain_s: float) -> None:
        crew.stop(drain_s)
        self._leaving.discard(crew)


class Crew:
    """The workers of one role; whoever ends untold is started again."""

    def __init__(
        self, name: str, role: Role, scales: Scales, configuration: Configuration, log: logging.Logger
    ) -> None:
        self.name, self.count = name, role.workers - 1
        self._role, self._log = role, log
        self._listening = {address: os.dup(fd) for address, fd in role.listening().items()}
        self._sockets = _identities(self._listening)
        self._workers = [Worker(name, scales, configuration.frozen) for _ in range(self.count)]
        self._keepers = Greenlets(log)
        self._trouble = ""  # why one ended before it served
        self._started = self._stopping = False

    @property
    def missing(self) -> int:
        """How many do not serve."""
        return sum(not worker.ready.is_set() for worker in self._workers)

    def suits(self, role: Role) -> bool:
        """Whether these are still the workers that `role` asks for."""
        same = role is self._role and role.workers - 1 == self.count
        return same and _identities(role.listening()) == self._sockets

    def start(self) -> None:
        """Start them, where they were not. Does not switch greenlets."""
        self._trouble = ""
        if not self._started:
            self._started = True
            for worker in self._workers:
                self._keepers.spawn(self._keep, worker, name=f"worker of {self.name}")

    def wait_ready(self) -> None:
        """Wait until all serve. Switches greenlets. :raises StartError: one does not."""
        until = time.monotonic() + _START_S
        for worker in self._workers:
            while not worker.ready.wait(0.1) and not self._trouble and time.monotonic() < until:
                continue
        if self.missing:
            raise StartError(f"a worker of roles.{self.name} {self._trouble or f'is not ready after {_START_S:g} s'}")

    def change(self, configuration: Configuration) -> None:
        """Let them work by another configuration, as soon as each takes it. Does not switch greenlets."""
        for worker in self._workers:
            self._keepers.spawn(worker.change, configuration.frozen, name=f"news for a worker of {self.name}")

    def stop(self, deadline_s: float) -> None:
        """Let them drain, `deadline_s` seconds at most; then end them. Idempotent. Switches greenlets."""
        self._leave()
        endings = Greenlets(self._log)
        for task in [endings.spawn(worker.end, deadline_s, name="end a worker") for worker in self._workers]:
            task.join()
        self._keepers.kill_all()

    def kill(self) -> None:
        """End them at once. Idempotent. Switches greenlets."""
        self._leave()
        for worker in self._workers:
            worker.kill()
        self._keepers.kill_all()

    def _leave(self) -> None:
        """Nobody is started any more, and the addresses are free as soon as the processes gave them up."""
        self._stopping = True
        while self._listening:
            os.close(self._listening.popitem()[1])

    def _keep(self, worker: Worker) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping:
            began = time.monotonic()
            why = worker.run(self._listening)
            if self._stopping:
                return
            if time.monotonic() - began > _STEADY_S:
                pause_s = _FIRST_PAUSE_S
            self._trouble = why
            self._log.warning("a worker of roles.%s %s; another is started in %g s", self.name, why, pause_s)
            gevent.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


class Worker:
    """One process at a time."""

    def __init__(self, role: str, scales: Scales, frozen: bytes) -> None:
        self.ready = Event()  # it serves
        self._role, self._scales, self._frozen = role, scales, frozen
        self._place = -1
        self._child: subprocess.Popen[bytes] | None = None
        self._leash: Leash | None = None
        self._sending = BoundedSemaphore(1)

    def run(self, listening: Mapping[Address, int]) -> str:
        """Start a process that accepts at these descriptors, and wait for its end; why it ended. Switches greenlets."""
        try:
            self._place = self._scales.take()
            leash = self._start(listening)
            return self._watch(leash)
        except OSError as error:
            return f"cannot be started: {error.strerror or error}"
        finally:
            self.ready.clear()
            self._let_go()

    def change(self, frozen: bytes) -> None:
        """Let it work by another configuration; who does not take it is ended, and another begins with it."""
        self._frozen = frozen
        if self._leash is not None and not self._send(self._leash):
            self.kill()

    def end(self, deadline_s: float) -> None:
        """Let it drain; when that takes longer than `deadline_s` seconds, kill it. Idempotent. Switches greenlets."""
        child = self._child
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(deadline_s + _LATE_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once. Idempotent. Switches greenlets."""
        child = self._child
        if child is not None and child.poll() is None:
            child.kill()
            child.wait()

    def _send(self, leash: Leash) -> bool:
        """Hand over the configuration as it is now, one at a time; whether the process took it."""
        with gevent.Timeout(_START_S, False), self._sending:
            try:
                leash.give(self._frozen)
            except OSError:  # it is gone, which is told by `_watch`
                return True
            return True
        return False

    def _let_go(self) -> None:
        leash, self._leash = self._leash, None
        if leash is not None:
            leash.close()
        if self._place >= 0:
            self._scales.leave(self._place)
            self._place = -1

    def _start(self, listening: Mapping[Address, int]) -> Leash:
        scales = f"{self._scales.fd}={self._place}"
        ours, theirs = socket.socketpair()
        leash = Leash(ours)
        try:
            with theirs:
                self._child = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-P", "-m", "zrokd.host.worker", self._role, scales, *_arguments(listening)],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    pass_fds=(self._scales.fd, *listening.values()),
                    env={name: value for name, value in os.environ.items() if name not in _NOT_THEIRS},
                    start_new_session=True,
                )
        except BaseException:
            leash.close()
            raise
        self._leash = leash
        if not self._send(leash):
            self.kill()
        return leash

    def _watch(self, leash: Leash) -> str:
        assert self._child is not None
        limit_s = _START_S
        try:
            while told := leash.hear(limit_s):
                if b"READY=1" in told:
                    self.ready.set()
                    limit_s = SILENCE_S
            code = self._child.wait()
        except TimeoutError:
            self.kill()
            return f"gave no sign of life for {limit_s:g} s"
        return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _arguments(listening: Mapping[Address, int]) -> list[str]:
    return [f"{fd}={address}" for address, fd in listening.items()]


def _identities(listening: Mapping[Address, int]) -> dict[Address, int]:
    """The sockets behind descriptors, told apart by their inodes: a number may be another's tomorrow."""
    return {address: os.fstat(fd).st_ino for address, fd in listening.items()}
