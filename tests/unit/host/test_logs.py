import io
import json
import logging
import os
import re

import gevent
import pytest
from gevent.threadpool import ThreadPool
from hypothesis import given
from hypothesis import strategies as st

from zrokd.host.logs import Logs, Redactor, TextFormatter, escape
from zrokd.model.units import Secret

LOG = logging.getLogger("zrokd.role.frontend")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def written():
    """written(style, level, secrets, terminal): the stream that is logged to."""
    made = []

    def start(style="json", level="info", secrets=(), terminal=False):
        stream = Terminal() if terminal else io.StringIO()
        logs = Logs(stream)
        logs.apply(level, style, secrets)
        made.append(logs)
        return stream

    yield start
    for logs in made:
        logs.close()


def test_text_says_time_level_and_component(written):
    stream = written("text")
    LOG.warning("port %d is slow", 80)
    assert re.fullmatch(r"\d\d:\d\d:\d\d warning role.frontend: port 80 is slow\n", stream.getvalue())


def test_json_is_one_object_a_line(written):
    stream = written("json")
    LOG.info("one\ntwo")
    LOG.error("three")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["message"] == "one\\ntwo"
    assert (second["level"], second["component"], second["message"]) == ("error", "role.frontend", "three")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])


@pytest.mark.parametrize(("terminal", "is_json"), [(True, False), (False, True)])
def test_auto_is_text_on_a_terminal_and_json_elsewhere(written, terminal, is_json):
    stream = written("auto", terminal=terminal)
    LOG.info("hello")
    assert stream.getvalue().startswith("{") == is_json


@pytest.mark.parametrize("style", ["text", "json"])
def test_secrets_do_not_reach_the_log(written, style):
    stream = written(style, secrets=[Secret("hunter2-hunter2"), Secret("hunter2")])
    LOG.info("token %s", "hunter2-hunter2")
    try:
        raise ValueError("hunter2 is wrong")
    except ValueError:
        LOG.exception("failed")
    assert "hunter2" not in stream.getvalue()
    assert "***" in stream.getvalue()


def test_a_secret_shorter_than_six_letters_would_hide_half_of_every_line_and_is_left(written):
    stream = written(secrets=[Secret("e")])
    LOG.info("hello")
    assert "hello" in stream.getvalue()


PEM = "-----BEGIN KEY-----\nMIIE'\"pp\u00fcv\\\n-----END KEY-----"


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_secret_of_several_lines_is_hidden_in_every_form(written, style):
    stream = written(style, secrets=[Secret(PEM)])
    for form in (PEM, repr(PEM), [PEM], {"key": PEM}, PEM.encode(), json.dumps(PEM), escape(PEM)):
        LOG.error("key %s", form)
    try:
        raise ValueError([PEM])
    except ValueError:
        LOG.exception("failed")
    assert "pp" not in stream.getvalue()
    assert stream.getvalue().count("***") == 8


def test_secrets_of_what_a_reload_retires_stay_hidden():
    stream = io.StringIO()
    logs = Logs(stream)
    for secret in ("oldest-secret", "old-secret", "new-secret", "new-secret"):
        logs.apply("info", "text", [Secret(secret)])
    LOG.error("in use: old-secret and new-secret, in use no more: oldest-secret")
    logs.close()
    assert stream.getvalue().strip().endswith("in use: *** and ***, in use no more: oldest-secret")


def test_a_reload_changes_level_form_and_secrets(written):
    stream = io.StringIO()
    logs = Logs(stream)
    logs.apply("warning", "text", [])
    LOG.info("unheard")
    logs.apply("debug", "json", [Secret("secret-secret")])
    LOG.debug("heard secret-secret")
    logs.close()
    assert json.loads(stream.getvalue())["message"] == "heard ***"


def test_a_traceback_stands_below_its_line_in_text_and_inside_it_in_json(written):
    for style in ("text", "json"):
        stream = written(style)
        try:
            raise ValueError("bad \x1b[31m thing")
        except ValueError:
            LOG.exception("failed")
        assert "ValueError" in stream.getvalue()
        assert "\x1b" not in stream.getvalue()
        if style == "json":
            assert "ValueError" in json.loads(stream.getvalue())["traceback"]


def test_after_close_nothing_is_written():
    stream = io.StringIO()
    logs = Logs(stream)
    logs.apply("info", "text", [])
    logs.close()
    logs.close()
    LOG.info("late")
    assert stream.getvalue() == ""
    assert logging.getLogger("zrokd").propagate


def test_a_message_that_does_not_fit_its_arguments_is_still_logged(written):
    stream = written("text")
    LOG.info("%d", "x")
    assert "%d" in stream.getvalue()
    assert "x" in stream.getvalue()


@given(st.text())
def test_what_is_logged_stays_on_its_line(text):
    line = escape(text)
    assert len(line.splitlines()) <= 1
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb", "a\\nb"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("tab\there", "tab\there"),
        ("\u2028", "\\u2028"),
        ("grün ✓", "grün ✓"),
    ],
)
def test_control_characters_are_escaped(text, line):
    assert escape(text) == line


def test_greenlets_and_threads_that_log_at_once_all_get_their_line(tmp_path):
    def write_lines(who):
        for number in range(400):
            logging.getLogger("zrokd.part").info("%s %d", who, number)

    threads = ThreadPool(8)
    with (tmp_path / "log").open("w") as stream:
        logs = Logs(stream)
        logs.apply("info", "text", [])
        try:
            jobs = [threads.spawn(write_lines, f"thread {each}") for each in range(8)]
            jobs += [gevent.spawn(write_lines, f"greenlet {each}") for each in range(20)]
            with gevent.Timeout(15):
                for job in jobs:
                    job.get()
        finally:
            logs.close()
            threads.kill()
    assert len((tmp_path / "log").read_text().splitlines()) == 28 * 400


def test_a_flood_of_one_trouble_is_told_a_few_times(written):
    stream = written("text")
    for number in range(10_000):
        LOG.error("plugin %d failed", number)
    assert stream.getvalue().count("\n") == 50


def test_a_record_tells_how_many_were_left_out_before_it():
    record = logging.LogRecord("zrokd.a", logging.ERROR, "f.py", 1, "it %s", ("failed",), None)
    record.left_out = 1234
    assert TextFormatter(Redactor()).format(record).endswith("it failed (and 1,234 more like it, left out here)")


def test_lines_that_nobody_took_are_counted_and_told():
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        logs = Logs(stream)
        logs.apply("info", "json", ())
        for _ in range(2000):
            LOG.info("x" * 200)
        seen = os.read(reader, 1 << 20)
        LOG.info("afterwards")
        told = [json.loads(line)["message"] for line in os.read(reader, 1 << 20).splitlines() if line]
        logs.close()
    os.close(reader)
    whole = [line for line in seen.split(b"\n")[:-1] if line]
    assert told[-1] == "afterwards"
    assert told[0] == f"{2000 - len(whole)} lines of this log are lost: its reader did not take them"


def test_for_a_person_lines_are_sentences_and_exchanges_are_shown_elsewhere():
    stream = io.StringIO()
    logs = Logs(stream, words=str.upper, shown=True)
    logs.apply("warning", "text", [])
    log = logging.getLogger("zrokd.mode.proxy")
    log.warning("share %s: %s", "app", "refused", extra={"exchange": True})
    log.warning("the target is %s", "away")
    logs.close()
    assert stream.getvalue() == "zrokd: THE TARGET IS AWAY\n"
