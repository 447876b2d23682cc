"""The program. What needs the hub is patched before anything else is imported; the rest starts without it."""

import gc
import os
import signal
import sys
from typing import TextIO

#: Whatever a thread makes, every thread waits while cycles are looked for among it. In Python's own measure that is all
#: objects of the process, several times while one long list is read (0.1 s each); so, mostly the latest few thousand.
COLLECT = (5_000, 3, 100)
#: How long a thread computes on while the hub wants to: ten times less than Python's own measure.
TURN_S = 0.0005
_NEED_HUB = frozenset(["run", "share", "access"])


def _needs_hub(arguments: list[str]) -> bool:
    """Whether this command line runs a daemon, and not only its help or its completion."""
    if "_ZROKD_COMPLETE" in os.environ or {"--help", "-h"} & set(arguments):
        return False
    return next((word for word in arguments if not word.startswith("-")), "") in _NEED_HUB


def _patch() -> None:
    """gevent's patches, without reading what is installed at each of its 25 steps: 70 ms where that is a hundred."""
    from gevent import config, events, monkey

    config.track_greenlet_tree = False  # who started which greenlet: 4 KiB a stream, and nobody asks
    events.notify_and_call_entry_points = events.notify
    monkey.patch_all()


def _end_quietly() -> None:
    """Ctrl-C while the hub waits is no mistake of the hub's, which would print it."""
    from gevent.hub import Hub

    Hub.NOT_ERROR += (KeyboardInterrupt,)


def _let_go(stream: TextIO | None) -> None:
    """What a terminal that was closed did not take is lost; Python would try again at its end, and exit with 120."""
    if stream is None or stream.closed:
        return
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def main() -> None:
    """Entry point of `zrokd`. Does not return."""
    heard = signal.getsignal(signal.SIGINT)
    if heard is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while modules are imported ends us without a traceback
    if _needs_hub(sys.argv[1:]):
        _patch()
        gc.set_threshold(*COLLECT)
        sys.setswitchinterval(TURN_S)
        _end_quietly()
    from zrokd.cli.main import run_program

    signal.signal(signal.SIGINT, heard)
    code = run_program(last=True)
    for stream in (sys.stdout, sys.stderr):
        _let_go(stream)
    sys.exit(code)


if __name__ == "__main__":
    main()
