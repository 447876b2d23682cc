"""Whether the database takes changes: told to the log once when it does no more, and once when it does again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from zrokd.errors import StoreUnfit

_LOG = logging.getLogger("zrokd.store")


class Fitness:
    """What its operator must see to. A change that goes through proves nothing: it may be small, or change nothing."""

    trouble = ""  # why it takes none

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
        self.trouble = ""

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            _LOG.error("the database takes no changes: %s", trouble)
        self.trouble = trouble
