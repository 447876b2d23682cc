import json
import logging
import re
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from zrokd_plugins import observer_access_log
from zrokd_plugins.observer_access_log import (
    AccessLogObserver,
    AccessLogSettings,
    as_json,
    combined,
    timed,
    zrokd_provide_observers,
)

from zrokd.model.http import ExchangeSummary

GET = ExchangeSummary(
    share_token="tok", role="frontend", peer="203.0.113.7:5060", method="GET", target="/a?b=c", status=200,
    rx_bytes=3, tx_bytes=1234, duration_s=0.01234567, outcome="ok", first_byte_s=0.01, dial_s=0.00200049,
)  # fmt: skip
NOW_MS = 1_700_000_000_123
COMBINED = re.compile(r'(\S+) - - \[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "([^"]*)" (\d+) (\d+|-) "-" "-"\n')


@pytest.fixture
def new_log(small_ctx, monkeypatch):
    monkeypatch.setattr(observer_access_log, "_EVERY_S", 0.01)
    made = []

    def make(*, opened=True, **settings_):
        observer = AccessLogObserver(AccessLogSettings(**settings_), small_ctx)
        made.append(observer)
        if opened:
            observer.open()
        return observer

    yield make
    for observer in made:
        observer.close()


def written(observer):
    return observer.path.read_text().splitlines() if observer.path.exists() else []


def test_a_request_is_a_line_of_the_combined_format():
    assert combined(GET, NOW_MS) == (
        '203.0.113.7 - - [14/Nov/2023:22:13:20 +0000] "GET /a?b=c HTTP/1.1" 200 1234 "-" "-"\n'
    )


def test_a_request_is_a_json_object():
    assert json.loads(as_json(GET, NOW_MS)) == {
        "time": "2023-11-14T22:13:20.123+00:00", "role": "frontend", "share": "tok", "peer": "203.0.113.7:5060",
        "method": "GET", "target": "/a?b=c", "status": 200, "rx_bytes": 3, "tx_bytes": 1234, "duration_s": 0.012346,
        "first_byte_s": 0.01, "dial_s": 0.002, "outcome": "ok",
    }  # fmt: skip


def test_a_timed_line_says_where_the_time_went():
    assert timed(GET, NOW_MS) == combined(GET, NOW_MS)[:-1] + " share=tok total=0.012346 first=0.010000 dial=0.002000\n"
    page = replace(GET, share_token="", first_byte_s=None, dial_s=None)
    assert timed(page, NOW_MS).endswith(" share=- total=0.012346 first=- dial=-\n")


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("203.0.113.7:5060", "203.0.113.7"),
        ("203.0.113.7", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", "-"),
    ],
)
def test_the_combined_format_has_the_host_without_the_port(peer, host):
    assert COMBINED.fullmatch(combined(replace(GET, peer=peer), NOW_MS))[1] == host


def test_an_answer_without_a_body_has_a_dash():
    assert COMBINED.fullmatch(combined(replace(GET, tx_bytes=0, status=304), NOW_MS))[5] == "-"


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["1.2.3.4:5", "[::1]:5"]))
def test_whatever_a_visitor_sends_a_line_stays_a_line(method, target, peer):
    evil = replace(GET, method=method, target=target, peer=peer)
    assert COMBINED.fullmatch(combined(evil, NOW_MS))
    line = as_json(evil, NOW_MS)
    assert line.isascii()
    assert line.count("\n") == 1
    assert json.loads(line)["target"] == target


def test_lines_are_in_the_file_soon(new_log, patient):
    log = new_log()
    log.zrokd_on_exchange(GET)
    patient(lambda: written(log))
    assert COMBINED.fullmatch(written(log)[0] + "\n")


def test_the_hook_itself_does_not_switch_greenlets(new_log, small_ctx):
    log = new_log(opened=False)
    log.zrokd_on_exchange(GET)
    assert small_ctx.offloaded == 0
    assert not log.path.exists()


@pytest.mark.parametrize(
    ("roles", "expected"), [([], 0), (["frontend"], 1), (["backend"], 1), (["frontend", "backend"], 2)]
)
def test_only_these_roles_count(new_log, roles, expected):
    log = new_log(roles=roles)
    for role in ("frontend", "backend"):
        log.zrokd_on_exchange(replace(GET, role=role))
    log.close()
    assert len(written(log)) == expected


def test_by_default_a_request_is_one_line_in_a_daemon_that_is_all(new_log):
    assert new_log(opened=False).settings.roles == ["frontend"]


def test_what_waits_at_the_end_is_written(new_log):
    log = new_log(format="json")
    log.zrokd_on_exchange(GET)
    log.close()
    log.close()
    assert json.loads(written(log)[0])["share"] == "tok"


def test_too_many_lines_are_dropped_counted_and_told(new_log, patient, caplog):
    log = new_log(queue=3)
    for _ in range(10):
        log.zrokd_on_exchange(GET)
    assert log.dropped == 7
    patient(lambda: "misses 7 lines" in caplog.text)
    assert len(written(log)) == 3


def test_a_renamed_file_is_left_alone_and_a_new_one_begun(new_log, patient):
    log = new_log()
    log.zrokd_on_exchange(GET)
    patient(lambda: written(log))
    log.path.rename(log.path.with_suffix(".1"))
    log.zrokd_on_exchange(GET)
    patient(lambda: written(log))
    assert len(written(log)) == 1


def test_a_file_that_cannot_be_written_costs_lines_alone_and_is_told_once(new_log, patient, caplog):
    log = new_log()
    log.path.mkdir()
    with caplog.at_level(logging.ERROR):
        for count in (1, 2):
            log.zrokd_on_exchange(GET)
            patient(lambda count=count: log.dropped == count)
    assert caplog.text.count("cannot be written: Is a directory") == 1
    assert not log.health().ok
    log.path.rmdir()
    log.zrokd_on_exchange(GET)
    patient(lambda: written(log))
    patient(lambda: log.health().ok)


def test_half_a_line_of_a_full_disk_does_not_spoil_the_next(new_log, monkeypatch):
    log = new_log(opened=False, format="json")
    real, calls = observer_access_log.os.write, []

    def write(fd, data):
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(fd, data[:5])

    monkeypatch.setattr(observer_access_log.os, "write", write)
    log.zrokd_on_exchange(GET)
    log._flush()
    monkeypatch.undo()
    log.zrokd_on_exchange(GET)
    log._flush()
    half, whole = written(log)
    assert len(half) == 5
    assert json.loads(whole)["status"] == 200


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 30))
def test_every_line_is_written_or_counted(new_log, count):
    log = new_log(opened=False, queue=20)
    log.path.unlink(missing_ok=True)
    for _ in range(count):
        log.zrokd_on_exchange(GET)
    log._flush()
    assert len(written(log)) + log.dropped == count


def test_a_full_queue_costs_no_request_its_time(new_log):
    log, began = new_log(opened=False, queue=100), time.monotonic()
    for _ in range(20_000):
        log.zrokd_on_exchange(GET)
    assert time.monotonic() - began < 1.0
    assert len(log._lines) == 100


@pytest.mark.parametrize("wrong", [{"format": "common"}, {"roles": ["controller"]}, {"queue": 0}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        AccessLogSettings(**wrong)


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_observers()] == ["access_log"]
