"""The program of a worker: one role of a daemon, in a process and on a core of its own. Its daemon starts it."""

from __future__ import annotations

from gevent import monkey

if __name__ == "__main__":
    monkey.patch_all()

import fcntl
import os
import signal
import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from zrokd.config.load import thaw
from zrokd.config.schema import HealthSettings
from zrokd.errors import ZrokdError
from zrokd.host.daemon import Daemon
from zrokd.host.lifeline import Lifeline
from zrokd.host.logs import Logs
from zrokd.host.registry import Registry
from zrokd.host.systemd import Inherited
from zrokd.model.units import parse_address
from zrokd.net.scales import Scales

if TYPE_CHECKING:
    from zrokd.config.load import Configuration, Plan


def main(role: str, place: str, sockets: list[str]) -> int:
    """Serve until told to end, or until the daemon is gone; the exit code.

    `place` is `descriptor=number`, of the scales; `sockets` are `descriptor=address` each. The configuration comes over
    standard input, which is a socket.
    """
    try:
        lifeline = Lifeline(_take_over(0))
        lifeline.read()
        registry = Registry()

        def load() -> Configuration:
            return of_worker(thaw(lifeline.frozen, registry=registry), role)

        inherited = [_inherited(text) for text in sockets]
        daemon = Daemon(load(), registry, load=load, logs=Logs(), inherited=inherited, lifeline=lifeline)
        fd, _, number = place.partition("=")
        os.set_inheritable(int(fd), False)
        daemon.components.use_scales(f"role.{role}", Scales(int(fd), int(number)))
        return daemon.run(last=True)
    except OSError:
        print("zrokd: workers are started by `zrokd run`", file=sys.stderr)
    except ZrokdError as error:
        print(f"zrokd: a worker of {role}: {error}", file=sys.stderr)
    return 1


def of_worker(configuration: Configuration, role: str) -> Configuration:
    """What a worker of `role` runs by: that role, and what its daemon has for all roles but controllers."""
    return replace(
        configuration,
        health=HealthSettings(),
        storage=None,
        overlay=_of_worker(configuration.overlay) if configuration.overlay else None,
        auth=(),
        sinks=tuple(map(_of_worker, configuration.sinks)),
        observers=tuple(map(_of_worker, configuration.observers)),
        roles={role: _of_worker(configuration.roles[role])},
        warnings=(),
    )


def _of_worker(plan: Plan) -> Plan:
    return replace(plan, settings=plan.component.settings_of_worker(plan.settings))


def _take_over(fd: int) -> socket.socket:
    """The socket at `fd`, out of the reach of programs that a plugin starts. :raises OSError: it is none."""
    sock = socket.socket(fileno=fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, fd)
    os.close(nothing)
    return sock


def _inherited(text: str) -> Inherited:
    fd, _, address = text.partition("=")
    os.set_inheritable(int(fd), False)
    return Inherited(socket.socket(fileno=int(fd)), "the daemon", parse_address(address))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's, which tells us
    if len(sys.argv) < 3:
        sys.exit("zrokd: workers are started by `zrokd run`")
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
