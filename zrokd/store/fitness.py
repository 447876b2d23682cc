"""Whether the database takes changes: told to the log once when it does no more, and once when it does again."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from zrokd.errors import StoreUnfit

_LOG = logging.getLogger("zrokd.store")
_SOON_S = 60.0
_LEAST_S, _MOST_S = 10.0, 300.0


class Fitness:
    """What its operator must see to. A change that goes through proves nothing: it may be small, or change nothing.

    Nor does one that was made to try, where one table alone is damaged: a trouble that comes again soon must rest.
    """

    def __init__(self) -> None:
        self.trouble = ""  # why it takes none
        self._failed_s, self._over_s = 0.0, -_MOST_S
        self._rest_s = 0.0  # without a failure, before it is tried again

    @property
    def rests(self) -> bool:
        """Whether it is time to try."""
        return time.monotonic() - self._failed_s >= self._rest_s

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note what the block finds wrong with the database, and raise it again."""
        try:
            yield
        except StoreUnfit as error:
            self._note(str(error))
            raise

    def over(self) -> None:
        """It takes changes, as somebody has tried. Idempotent."""
        if self.trouble:
            _LOG.warning("the database takes changes again")
            self._over_s = time.monotonic()
        self.trouble = ""

    def _note(self, trouble: str) -> None:
        self._failed_s = time.monotonic()
        if not self.trouble:
            soon = self._failed_s - self._over_s < _SOON_S
            self._rest_s = min(max(_LEAST_S, 2 * self._rest_s), _MOST_S) if soon else 0.0
        if trouble != self.trouble:
            _LOG.error("the database takes no changes: %s", trouble)
        self.trouble = trouble
