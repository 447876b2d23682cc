"""What went through is told to the controller, every few seconds, and none of it twice."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

from zrokd.errors import Invalid, NotFound, ZrokdError
from zrokd.model.limits import UsageSample

EVERY_S = 5.0
_MOST = 1000  # samples in one report


class Books(Protocol):
    """Where usage is kept: the controller, seen through its client."""

    def report_usage(self, reporter: str, batch: str, samples: Sequence[UsageSample]) -> None:
        """See zrokd.client.controller.Controller. May switch greenlets. :raises ZrokdError: no answer, or a no."""


class Ledger:
    """What the controller was not told yet. An hour without it is told as one sum a share, once it is back."""

    def __init__(self, books: Books, log: logging.Logger) -> None:
        self._books, self._log = books, log
        self._owed: dict[str, UsageSample] = {}
        self._reporter = secrets.token_hex(8)  # this ledger, among those with the same credentials
        self._batch = ""  # names the report that is on its way
        self._sent: Sequence[UsageSample] = ()  # what stands in it
        self._away = self._dropped = False
        self.ending = False  # from then on a controller that is away is none to warn of: it may end, too

    @property
    def owed(self) -> int:
        """Of how many shares something is not told yet."""
        return len(self._owed.keys() | {sample.share_token for sample in self._sent})

    def add(self, samples: Iterable[UsageSample]) -> None:
        """Take up what was counted."""
        for sample in samples:
            before = self._owed.get(sample.share_token)
            self._owed[sample.share_token] = before.plus(sample) if before else sample

    def run(self) -> None:
        """Tell the controller every five seconds, for ever. Switches greenlets; ends by being killed."""
        while True:
            time.sleep(EVERY_S)
            self.settle()

    def settle(self) -> None:
        """Tell all that is owed, or as much as the controller takes now. Switches greenlets; never raises."""
        try:
            while self._sent or self._owed:
                self._tell()
        except (Invalid, NotFound) as error:
            self._drop(error)
        except ZrokdError as error:
            if not self._away:
                level = logging.INFO if self.ending else logging.WARNING
                self._log.log(level, "what went through shares is told to the controller later: %s", error)
            self._away = True
        else:
            self._away = False

    def _tell(self) -> None:
        """One report; until it is answered it stays the same, so that it counts once."""
        if not self._sent:
            self._batch = secrets.token_hex(16)
            self._sent = [self._owed.pop(token) for token in list(islice(self._owed, _MOST))]
        self._books.report_usage(self._reporter, self._batch, self._sent)
        self._sent = ()

    def _drop(self, error: ZrokdError) -> None:
        """Said once: a controller that does not know of this (zrok's, or an older one) never will."""
        level = logging.DEBUG if self._dropped else logging.ERROR
        self._log.log(level, "the controller does not keep what went through %d shares: %s", len(self._sent), error)
        self._sent, self._dropped = (), True
