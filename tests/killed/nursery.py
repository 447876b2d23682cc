"""Starts daemons by forking, so that what they import is imported once.

Reads lines: `start FILE LOG` answers with the process id, `end PID` kills it and answers when it is gone, `wait PID`
answers when it ended by itself, with the signal that ended it.
"""

from gevent import monkey

monkey.patch_all()

import importlib  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402

import zrokd.cli.main  # noqa: E402
import zrokd.cli.run  # noqa: E402
import zrokd.host.daemon  # noqa: E402

_PARTS = (
    "role_controller.role",
    "storage_sqlite",
    "storage_postgres.database",
    "overlay_local.admin",
    "overlay_ziti.admin",
)
_fork, _waitpid = monkey.get_original("os", ["fork", "waitpid"])


_alive = set()


def start(file, log):
    pid = _fork()
    if pid:
        _alive.add(pid)
        return pid
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing, told = os.open(os.devnull, os.O_RDWR), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for target, source in ((0, nothing), (1, told), (2, told)):
        os.dup2(source, target)
    sys.argv = ["zrokd", "run", file]
    os._exit(zrokd.cli.main.run_program(last=True))


def wait(pid):
    _, status = _waitpid(int(pid), 0)
    _alive.discard(int(pid))
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


def end(pid):
    os.kill(int(pid), signal.SIGKILL)
    return wait(pid)


def main():
    for part in _PARTS:
        importlib.import_module(f"zrokd_plugins.{part}")
    print("ready", flush=True)
    for line in sys.stdin:
        verb, *words = line.split()
        print({"start": start, "wait": wait, "end": end}[verb](*words), flush=True)
    for pid in [*_alive]:  # of a test that failed before it had all it needs
        end(pid)


main()
