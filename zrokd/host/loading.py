"""Reading the configuration again, while the daemon serves: in a thread, for a mount may hang."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zrokd.errors import StartError
from zrokd.host.greenlets import Threads
from zrokd.net.faults import within

if TYPE_CHECKING:
    from zrokd.config.load import Configuration

_LIMIT_S = 30.0


class Loading:
    """Calls `load` in a thread, one at a time: plugins are imported there."""

    def __init__(self, load: Callable[[], Configuration], threads: Threads) -> None:
        self._load, self._threads = load, threads
        self._busy = False

    def __call__(self) -> Configuration:
        """What `load` returns and raises. Switches greenlets.

        :raises StartError: it does not return; nor did the one before.
        """
        if self._busy:
            raise StartError("the file is still being read for an earlier reload; see what its disk or mount waits for")
        self._busy = True
        try:
            return within(_LIMIT_S, self._threads.offload, self._read)
        except TimeoutError as error:
            raise StartError(
                f"the file could not be read within {_LIMIT_S:g} s; see what its disk or mount waits for"
            ) from error

    def _read(self) -> Configuration:
        try:
            return self._load()
        finally:
            self._busy = False
