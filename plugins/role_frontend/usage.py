"""What went through is handed to the sinks and told to the controller, every few seconds, each on its own."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol, cast

from zrokd.contracts import Context, Sink
from zrokd.errors import Invalid, NotFound, ZrokdError
from zrokd.model.limits import UsageSample
from zrokd.net.meter import Meter

_EVERY_S = 5.0
_MOST = 1000  # samples in one report


class Books(Protocol):
    """Where usage is kept: the controller, seen through its client."""

    def report_usage(self, batch: str, samples: Sequence[UsageSample]) -> None:
        """See zrokd.client.controller.Controller. May switch greenlets. :raises ZrokdError: no answer, or a no."""


class Ledger:
    """What the controller was not told yet. An hour without it is told as one sum a share, once it is back."""

    def __init__(self, books: Books, log: logging.Logger) -> None:
        self._books, self._log = books, log
        self._owed: dict[str, UsageSample] = {}
        self._batch = ""  # names the report that is on its way
        self._sent: Sequence[UsageSample] = ()  # what stands in it
        self._away = False
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
            time.sleep(_EVERY_S)
            self.settle()

    def settle(self) -> None:
        """Tell all that is owed, or as much as the controller takes now. Switches greenlets; never raises."""
        try:
            while self._sent or self._owed:
                self._tell()
        except Invalid as error:
            self._drop(f"does not take them: {error}")
        except NotFound:
            self._drop("is too old to keep them")
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
        self._books.report_usage(self._batch, self._sent)
        self._sent = ()

    def _drop(self, why: str) -> None:
        self._log.error("the counts of %d shares are lost to the controller, which %s", len(self._sent), why)
        self._sent = ()


def report(meter: Meter, ledger: Ledger | None, ctx: Context) -> None:
    """Hand over what was counted, every five seconds, for ever. Switches greenlets; ends by being killed."""
    while True:
        time.sleep(_EVERY_S)
        flush(meter, ledger, ctx)


def flush(meter: Meter, ledger: Ledger | None, ctx: Context) -> None:
    """Hand over what was counted since the last call. One sink that fails loses its batch, the others do not."""
    batch = meter.take()
    if not batch:
        return
    if ledger:
        ledger.add(batch)
    for sink in ctx.components("sink"):
        _write(cast(Sink, sink), batch, ctx)


def _write(sink: Sink, batch: Sequence[UsageSample], ctx: Context) -> None:
    try:
        sink.write(batch)
    except Exception:
        ctx.log.exception("the sink %r failed, so it misses %d samples", sink.name, len(batch))
