import logging

import pytest
from zrokd_plugins.sink_log import LogSink, LogSinkSettings, zrokd_provide_sinks

from zrokd.model.limits import UsageSample


def sample(token, rx, tx):
    return UsageSample(share_token=token, rx_bytes=rx, tx_bytes=tx, at_ms=1)


@pytest.mark.parametrize(("level", "number"), [("info", logging.INFO), ("debug", logging.DEBUG)])
def test_a_batch_is_one_line_a_share(small_ctx, caplog, level, number):
    sink = LogSink(LogSinkSettings(level=level), small_ctx)
    with caplog.at_level(logging.DEBUG):
        sink.write([sample("a", 1, 2), sample("b", 0, 9), sample("a", 10, 20)])
    assert caplog.messages == [
        "usage of share a: rx_bytes=11 tx_bytes=22",
        "usage of share b: rx_bytes=0 tx_bytes=9",
    ]
    assert {record.levelno for record in caplog.records} == {number}


def test_an_empty_batch_says_nothing(small_ctx, caplog):
    with caplog.at_level(logging.DEBUG):
        LogSink(LogSinkSettings(), small_ctx).write([])
    assert caplog.messages == []


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_sinks()] == ["log"]
