"""A long-running process is started again, and its words are ours."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import subprocess
from pathlib import Path

import gevent
import pytest
from gevent.event import Event
from zrokd_plugins.overlay_ziti.supervised import Patience, Supervised

from zrokd.errors import StartError

PATIENCE = Patience(start_s=5.0, stop_s=5.0, first_pause_s=0.01, longest_pause_s=0.04, check_s=0.02, hang_s=0.2)
RUNS = "open(arguments[2] + '.up', 'w').close()\nprint('up', flush=True)\ntime.sleep(60)"


@pytest.fixture
def supervised(fake_program, tmp_path, zrokd_context):
    """supervised(code): a part whose process makes CONFIG.up when it can work; closed at the end."""
    made = []

    def make(code=RUNS, **changes):
        config = tmp_path / "controller.json"
        up = Path(f"{config}.up")
        patience = dataclasses.replace(PATIENCE, **changes)
        part = Supervised("controller", fake_program(code), config, zrokd_context, ready=up.exists, patience=patience)
        part.up = up
        made.append(part)
        return part

    yield make
    for part in made:
        part.close()


def eventually(check):
    with gevent.Timeout(5):
        while not check():
            gevent.sleep(0.005)


def test_it_is_well_once_it_is_ready(supervised):
    part = supervised()
    assert not part.health().ok
    assert "was not started" in part.health().detail
    part.start()
    assert part.health().ok
    assert Path(f"/proc/{part.pid}").exists()
    part.close()
    assert (part.pid, part.health().ok) == (0, False)


@pytest.mark.leaves_behind("its process is another after the restart")
def test_it_is_started_again_each_time_it_ends(supervised):
    part = supervised()
    part.start()
    for count in (2, 3, 4):
        part.up.unlink()
        os.kill(part.pid, signal.SIGKILL)
        eventually(lambda: not part.health().ok)
        eventually(lambda: part.health().ok)
        assert part.starts == count


@pytest.mark.leaves_behind("its process is another after the restart")
def test_pauses_grow_to_the_longest_and_are_told(supervised, caplog):
    part = supervised(f"if os.path.exists(arguments[2] + '.bad'): sys.exit(9)\n{RUNS}")
    part.start()
    bad = Path(str(part.up).replace(".up", ".bad"))
    bad.touch()
    part.up.unlink()
    os.kill(part.pid, signal.SIGKILL)
    eventually(lambda: part.starts >= 5)
    assert "exit code 9" in part.health().detail or "just been started" in part.health().detail
    bad.unlink()
    eventually(lambda: part.health().ok)
    pauses = [record.args[2] for record in caplog.records if record.msg.startswith("the managed %s ended")]
    assert pauses[:4] == [0.01, 0.02, 0.04, 0.04]


@pytest.mark.leaves_behind("its process is another after the restart")
def test_one_that_hangs_is_told_killed_and_started_again(supervised):
    part = supervised()
    part.start()
    first = part.pid
    part.up.unlink()
    eventually(lambda: "runs and does not answer" in part.health().detail)
    eventually(lambda: part.pid not in (0, first))
    eventually(lambda: part.health().ok)


def test_one_that_answers_again_in_time_is_left_alone(supervised):
    part = supervised(hang_s=60.0)
    part.start()
    first = part.pid
    part.up.unlink()
    eventually(lambda: not part.health().ok)
    part.up.touch()
    eventually(lambda: part.health().ok)
    assert (part.pid, part.starts) == (first, 1)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("print('no space left')\nsys.exit(4)", "the managed controller ended with 4: no space left"),
        ("print('still thinking', flush=True)\ntime.sleep(60)", "is not ready within 0.5 s: still thinking"),
    ],
)
def test_a_first_start_that_fails_is_told_with_its_last_words(supervised, code, told):
    part = supervised(code, start_s=0.5)
    with pytest.raises(StartError, match=told):
        part.start()


_FRAMES = ["goroutine 1 [running]:", "main.main()", "/src/main.go:53 +0xf"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ['{"level":"panic","msg":"no listener","error":"address already in use"}', "panic: (*logrus.Entry) 0xc0"],
            "no listener: address already in use",
        ),
        (["panic: runtime error: index out of range"], "panic: runtime error: index out of range"),
        (["fatal error: out of memory"], "fatal error: out of memory"),
        (['{"level":"fatal","msg":"no database"}'], "no database"),
    ],
)
def test_one_that_panics_is_told_by_why_and_not_by_its_stack(supervised, lines, told):
    said = "\n".join(['{"level":"error","msg":"peer hung up"}', *lines, *_FRAMES])
    part = supervised(f"print({said!r}, flush=True)\nsys.exit(2)")
    with pytest.raises(StartError) as failed:
        part.start()
    assert str(failed.value) == f"the managed controller ended with 2: {told}"


def test_closing_while_it_starts_ends_the_wait(supervised):
    part = supervised("time.sleep(60)")
    starting = gevent.spawn(part.start)
    eventually(lambda: part.pid)
    part.close()
    with pytest.raises(StartError, match="ended"):
        starting.get(timeout=5)


@pytest.mark.parametrize("ready", [True, False])
def test_closing_while_it_is_asked_whether_it_works_is_no_failure(supervised, caplog, ready):
    part = supervised()
    part.start()
    asked, answered = slow_to_answer(part, ready)
    assert asked.wait(5)
    close_before(part, answered)
    assert (part.pid, part.health().ok, part._keeper.done) == (0, False, True)
    assert "failed" not in caplog.text


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.leaves_behind("its process is another after the restart")
def test_closing_while_it_is_started_again_is_no_failure(supervised, caplog, ready):
    part = supervised(check_s=60.0)
    part.start()
    asked, answered = slow_to_answer(part, ready)
    os.kill(part.pid, signal.SIGKILL)
    assert asked.wait(5)
    close_before(part, answered)
    assert (part.pid, part.starts, part.health().ok, part._keeper.done) == (0, 2, False, True)
    assert "failed" not in caplog.text


@pytest.mark.parametrize("ready", [True, False])
def test_closing_while_its_first_start_is_asked_is_told_as_that(supervised, ready):
    part = supervised()
    asked, answered = slow_to_answer(part, ready)
    starting = gevent.spawn(part.start)
    assert asked.wait(5)
    close_before(part, answered)
    with pytest.raises(StartError, match="ended"):
        starting.get(timeout=5)
    assert not part.health().ok


def slow_to_answer(part, ready):
    """Events: it is asked whether it works; it may answer `ready`."""
    asked, answered = Event(), Event()

    def ask():
        asked.set()
        answered.wait()
        return ready

    part._ready = ask
    return asked, answered


def close_before(part, answered):
    closing = gevent.spawn(part.close)
    eventually(lambda: part._child is None)
    answered.set()
    closing.get(timeout=5)


def test_closing_in_a_pause_ends_it(supervised):
    part = supervised(first_pause_s=60.0)
    part.start()
    os.kill(part.pid, signal.SIGKILL)
    eventually(lambda: not part.health().ok)
    with gevent.Timeout(3):
        part.close()
    assert part.starts == 1


@pytest.mark.parametrize(
    ("line", "level", "text"),
    [
        ({"level": "info", "msg": "started"}, logging.DEBUG, "started"),
        ({"level": "warning", "msg": "odd"}, logging.DEBUG, "odd"),
        ({"level": "error", "msg": "handshake failed", "error": "EOF"}, logging.INFO, "handshake failed: EOF"),
        ({"level": "fatal", "msg": "no port"}, logging.ERROR, "no port"),
        ("not json", logging.DEBUG, "not json"),
        ([1], logging.DEBUG, "[1]"),
        ({"msg": "no level"}, logging.DEBUG, '{"msg": "no level"}'),
    ],
)
def test_its_words_are_in_our_log(supervised, caplog, line, level, text):
    caplog.set_level(logging.DEBUG)
    said = line if isinstance(line, str) else json.dumps(line)
    part = supervised(f"print({said!r}, flush=True)\n{RUNS}")
    part.start()
    eventually(lambda: (level, text) in [(record.levelno, record.getMessage()) for record in caplog.records])


def test_an_endless_line_takes_no_endless_memory(supervised):
    part = supervised(f"sys.stdout.write('x' * 1000000 + '\\n'); sys.stdout.flush()\n{RUNS}")
    part.start()
    assert len(part._last) <= 300


@pytest.mark.leaves_behind("a process of another owner is ended")
def test_what_is_left_from_before_is_ended_when_it_is_ours(supervised, tmp_path):
    part = supervised()
    config = tmp_path / "controller.json"
    with subprocess.Popen([part._program.binary, "controller", "run", str(config)]) as left:
        eventually(part.up.exists)
        (tmp_path / "controller.pid").write_text(f"{left.pid}\n")
        reaper = gevent.spawn(left.wait)
        part.end_stale()
        assert reaper.get(timeout=5) == -signal.SIGKILL
    assert not (tmp_path / "controller.pid").exists()


@pytest.mark.parametrize("content", ["", "nonsense", "999999999", None])
def test_a_mark_that_tells_of_nobody_is_removed(supervised, tmp_path, content):
    mark = tmp_path / "controller.pid"
    if content is not None:
        mark.write_text(content)
    supervised().end_stale()
    assert not mark.exists()


def test_a_process_of_somebody_else_is_left_alone(supervised, tmp_path):
    with subprocess.Popen(["sleep", "60"]) as other:
        (tmp_path / "controller.pid").write_text(f"{other.pid}\n")
        supervised().end_stale()
        assert other.poll() is None
        other.kill()
