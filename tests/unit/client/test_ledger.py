"""What a controller is told of what went through."""

import logging

import pytest

from zrokd.client.ledger import Ledger
from zrokd.errors import Invalid, NotFound, Unavailable
from zrokd.model.limits import UsageSample


class Controller:
    """Notes what it is told; `says` holds what it does first: raise, or (None) take it and not answer."""

    def __init__(self):
        self.reports, self.reporters, self.says = [], set(), []

    def report_usage(self, reporter, batch, samples):
        answer = self.says.pop(0) if self.says else "ok"
        if isinstance(answer, Exception):
            raise answer
        self.reporters.add(reporter)
        self.reports.append((batch, {one.share_token: (one.rx_bytes, one.tx_bytes) for one in samples}))
        if answer is None:
            raise Unavailable("the controller does not answer")


@pytest.fixture
def controller():
    return Controller()


@pytest.fixture
def ledger(controller):
    return Ledger(controller, logging.getLogger("test"))


def counted(*tokens, rx=1, tx=2):
    return [UsageSample(share_token=token, rx_bytes=rx, tx_bytes=tx, at_ms=1) for token in tokens]


def test_what_was_counted_is_told_once(controller, ledger):
    ledger.add(counted("a", "b"))
    ledger.settle()
    ledger.settle()
    ((_, told),) = controller.reports
    assert told == {"a": (1, 2), "b": (1, 2)}
    assert ledger.owed == 0


def test_while_the_controller_is_away_counts_are_summed_up_and_it_is_said_once(controller, ledger, caplog):
    controller.says = [Unavailable("it is away"), Unavailable("it is away")]
    for _ in range(3):
        ledger.add(counted("a"))
        ledger.settle()
    assert caplog.text.count("it is away") == 1
    assert [told for _, told in controller.reports] == [{"a": (1, 2)}, {"a": (2, 4)}]


def test_a_report_without_an_answer_is_made_again_as_it_was(controller, ledger):
    controller.says = [None]
    ledger.add(counted("a"))
    ledger.settle()
    ledger.add(counted("a"))
    ledger.settle()
    first, again, rest = controller.reports
    assert first == again
    assert rest[0] != first[0]
    assert rest[1] == {"a": (1, 2)}


@pytest.mark.parametrize("error", [Invalid("no"), NotFound("no")])
def test_a_report_that_is_refused_is_dropped_and_holds_nothing_up(controller, ledger, caplog, error):
    controller.says = [error]
    ledger.add(counted("a"))
    ledger.settle()
    assert caplog.text.count("does not keep what went through 1 shares: no") == 1
    ledger.add(counted("b"))
    ledger.settle()
    assert [told for _, told in controller.reports] == [{"b": (1, 2)}]


def test_the_counts_of_many_shares_are_told_in_parts(controller, ledger):
    ledger.add(counted(*(f"t{number}" for number in range(2001))))
    ledger.settle()
    assert [len(told) for _, told in controller.reports] == [1000, 1000, 1]
    assert len({batch for batch, _ in controller.reports}) == 3


def test_all_reports_of_a_ledger_have_one_reporter_and_those_of_another_have_another(controller, ledger):
    for each in (ledger, ledger, Ledger(controller, logging.getLogger("test"))):
        each.add(counted("a"))
        each.settle()
    assert len(controller.reporters) == 2


def test_a_controller_that_never_keeps_them_is_told_of_once(controller, ledger, caplog):
    for _ in range(3):
        controller.says = [NotFound("no")]
        ledger.add(counted("a"))
        ledger.settle()
    assert caplog.text.count("does not keep") == 1
