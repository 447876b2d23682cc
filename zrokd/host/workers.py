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

from zrokd.contracts import Role
from zrokd.errors import StartError
from zrokd.host.greenlets import Greenlets
from zrokd.host.lifeline import SILENCE_S, Leash
from zrokd.model.units import Address
from zrokd.net.scales import Scales

if TYPE_CHECKING:
    from zrokd.config.load import Configuration

_START_S = 30.0
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

    def follow(self, roles: Mapping[str, Role], configuration: Configuration) -> None:
        """From now on the workers of these roles, by this configuration. Switches greenlets.

        :raises StartError: one of them does not serve; it is tried again and again until `stop` or the next call.
        """
        before, self._crews = self._crews, {}
        for name, role in roles.items():
            crew = before.get(name)
            if crew is not None and crew.suits(role):
                self._crews[name] = before.pop(name)
                crew.change(configuration)
            elif role.workers > 1:
                self._crews[name] = Crew(name, role, self._scales(role), configuration, self._log)
        try:
            for crew in self._crews.values():
                crew.start()
        finally:
            for crew in before.values():
                self._greenlets.spawn(crew.stop, configuration.drain_s, name=f"end workers of {crew.name}")

    def missing(self, name: str) -> str:
        """Which part of a role's workers does not serve, in a few words; "" when all do."""
        crew = self._crews.get(name)
        return f"{crew.missing} of {crew.count} workers do not serve" if crew is not None and crew.missing else ""

    def stop(self, deadline_s: float) -> None:
        """Let all of them drain, `deadline_s` seconds at most; then end them. Idempotent. Switches greenlets."""
        stopping = [self._greenlets.spawn(crew.stop, deadline_s, name="end workers") for crew in self._crews.values()]
        for task in stopping:
            task.join()

    def close(self) -> None:
        """End what is left at once. Idempotent. Switches greenlets."""
        self._greenlets.kill_all()
        for crew in self._crews.values():
            crew.stop(0.0)
        self._crews.clear()


class Crew:
    """The workers of one role; whoever ends untold is started again."""

    def __init__(
        self, name: str, role: Role, scales: Scales, configuration: Configuration, log: logging.Logger
    ) -> None:
        self.name, self.count = name, role.workers - 1
        self._role, self._frozen, self._log = role, configuration.frozen, log
        self._listening = dict(role.listening())
        self._workers = [Worker(name, scales) for _ in range(self.count)]
        self._keepers = Greenlets(log)
        self._trouble = ""  # why one that never served ended
        self._started = self._stopping = False

    @property
    def missing(self) -> int:
        """How many do not serve."""
        return sum(not worker.ready.is_set() for worker in self._workers)

    def suits(self, role: Role) -> bool:
        """Whether these are still the workers that `role` asks for."""
        same = role is self._role and role.workers - 1 == self.count
        return same and dict(role.listening()) == self._listening

    def start(self) -> None:
        """Start them, where they were not, and wait until all serve. Switches greenlets. :raises StartError:"""
        if not self._started:
            self._started = True
            for worker in self._workers:
                self._keepers.spawn(self._keep, worker, name=f"worker of {self.name}")
        until = time.monotonic() + _START_S
        for worker in self._workers:
            while not worker.ready.wait(0.1) and not self._trouble and time.monotonic() < until:
                continue
        if self.missing:
            raise StartError(f"a worker of roles.{self.name} {self._trouble or f'is not ready after {_START_S:g} s'}")

    def change(self, configuration: Configuration) -> None:
        """Let them work by another configuration. Switches greenlets."""
        self._frozen = configuration.frozen
        for worker in self._workers:
            worker.give(self._frozen)

    def stop(self, deadline_s: float) -> None:
        """Let them drain, `deadline_s` seconds at most; then end them. Idempotent. Switches greenlets."""
        self._stopping = True
        endings = Greenlets(self._log)
        for task in [endings.spawn(worker.end, deadline_s, name="end a worker") for worker in self._workers]:
            task.join()
        self._keepers.kill_all()

    def _keep(self, worker: Worker) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping:
            began = time.monotonic()
            why = worker.run(self._listening, self._frozen)
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

    def __init__(self, role: str, scales: Scales) -> None:
        self.ready = Event()  # it serves
        self._role, self._scales, self._place = role, scales, -1
        self._child: subprocess.Popen[bytes] | None = None
        self._leash: Leash | None = None

    def run(self, listening: Mapping[Address, int], frozen: bytes) -> str:
        """Start a process that accepts at these descriptors, and wait for its end; why it ended. Switches greenlets."""
        try:
            self._place = self._scales.take()
            self._start(listening, frozen)
            return self._watch()
        except OSError as error:
            return f"cannot be started: {error.strerror or error}"
        finally:
            self.ready.clear()
            if self._leash is not None:
                self._leash.close()
            if self._place >= 0:
                self._scales.leave(self._place)

    def give(self, frozen: bytes) -> None:
        """Let it work by another configuration; one that ends is no reason to fail. Switches greenlets."""
        with gevent.Timeout(SILENCE_S, False):
            try:
                if self._leash is not None:
                    self._leash.give(frozen)
            except OSError:
                return

    def end(self, deadline_s: float) -> None:
        """Let it drain; when that takes longer than `deadline_s` seconds, kill it. Idempotent. Switches greenlets."""
        child = self._child
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(deadline_s + _LATE_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _start(self, listening: Mapping[Address, int], frozen: bytes) -> None:
        scales = f"{self._scales.fd}={self._place}"
        ours, theirs = socket.socketpair()
        self._leash = Leash(ours)
        with theirs:
            self._child = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", "zrokd.host.worker", self._role, scales, *_arguments(listening)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                pass_fds=(self._scales.fd, *listening.values()),
                env={name: value for name, value in os.environ.items() if name not in _NOT_THEIRS},
                start_new_session=True,
            )
        self._leash.give(frozen)

    def _watch(self) -> str:
        assert self._child is not None
        assert self._leash is not None
        try:
            while told := self._leash.hear(SILENCE_S):
                if b"READY=1" in told:
                    self.ready.set()
            code = self._child.wait()
        except TimeoutError:
            self._child.kill()
            self._child.wait()
            return f"gave no sign of life for {SILENCE_S:g} s"
        return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _arguments(listening: Mapping[Address, int]) -> list[str]:
    return [f"{fd}={address}" for address, fd in listening.items()]
