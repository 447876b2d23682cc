"""Run a daemon in this process, with or without a screen."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from zrokd.cli.output import FAILED
from zrokd.errors import ZrokdError

if TYPE_CHECKING:
    from zrokd.cli.screen import Screen
    from zrokd.config.load import Configuration
    from zrokd.host.registry import Registry


def run_daemon(
    configuration: Configuration,
    registry: Registry,
    *,
    load: Callable[[], Configuration] | None = None,
    screen: Screen | None = None,
    words: Callable[[str], str] | None = None,
) -> int:
    """Serve until told to end; the exit code. `words` puts warnings into those of a command line.

    :raises ZrokdError: it could not start, or not go on.
    """
    from zrokd.host.daemon import Daemon
    from zrokd.host.logs import Logs

    listeners = [screen] if screen is not None else []
    logs = Logs(words=words, shown=screen is not None)
    daemon = Daemon(configuration, registry, load=load, listeners=listeners, logs=logs)

    def draining(number: int, remaining_s: float) -> None:
        if screen is not None:
            by_person = number == signal.SIGINT
            screen.draining(daemon.open_connections(), math.ceil(remaining_s), by_person=by_person)

    told = screen.ended if screen is not None else lambda _reason, _code: None
    try:
        code = daemon.run(draining, last=click.get_current_context().find_root().obj["last"])
    except ZrokdError as error:
        told(str(error), FAILED)
        raise
    told("it was told to end at once" if code else "it was told to end", code)
    return code
