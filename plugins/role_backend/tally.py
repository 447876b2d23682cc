"""What goes through private shares, and accesses onto public ones, told to the controller; and which let nobody in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from zrokd.client.ledger import EVERY_S, Ledger
from zrokd.contracts import Task
from zrokd.errors import NotFound, ZrokdError
from zrokd.model.limits import UsageSample
from zrokd.net.meter import Meter

from .office import Office

_LAST_S = 1.0  # a controller that answers does so sooner


class Tally:
    """Counts for one office. What visitors of public shares move is counted by frontends, and not told from here."""

    def __init__(
        self, office: Office, meter: Meter, on_limited: Callable[[frozenset[str]], None], log: logging.Logger
    ) -> None:
        """`on_limited` is told the tokens of shares that let nobody in, when they change; it must not switch."""
        self._office, self.meter, self._on_limited, self._log = office, meter, on_limited, log
        self.limited: frozenset[str] = frozenset()
        self.ledger = Ledger(self, log)
        self._asked = False

    def run(self) -> None:
        """Tell, and ask, every five seconds, for ever. Switches greenlets; ends by being killed."""
        while True:
            self.settle()
            time.sleep(EVERY_S)

    def settle(self) -> None:
        """Tell what was counted; ask what is limited when that may have changed. Switches greenlets; never raises."""
        self.ledger.add(self.meter.take())
        if self.ledger.owed:
            self.ledger.settle()
        elif self.limited or not self._asked:
            self._ask()

    def close(self, spawn: Callable[..., Task]) -> None:
        """Tell the last of it; a controller that does not answer is not waited for. Switches greenlets."""
        self.ledger.ending = True
        telling = spawn(self.settle, name="last usage")
        telling.join(_LAST_S)
        telling.kill()
        if self.ledger.owed:
            self._log.info("the controller was not told the last of what went through shares")

    def report_usage(self, reporter: str, batch: str, samples: Sequence[UsageSample]) -> None:
        """See Ledger."""
        limited = self._office.controller.report_environment(self._office.z_id, reporter, batch, samples)
        self._asked = True
        if limited != self.limited:
            self.limited = limited
            self._on_limited(limited)

    def _ask(self) -> None:
        try:
            self.report_usage("", "", ())
        except NotFound:
            self._asked = True  # it is a controller that limits nothing
        except ZrokdError as error:
            self._log.debug("what is limited is not known now: %s", error)
