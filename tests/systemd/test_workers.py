"""Further processes of a role: they answer, are told of reloads, and never outlive or leave alone their daemon."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from zrokd.host.lifeline import SILENCE_S


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def eventually(check, within_s=20.0):
    until = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def standing_still(pid: int):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def health(tmp_path):
    """health(): what the daemon tells at /readyz."""

    def ask():
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(str(tmp_path / "state/health.sock"))
            sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            return json.loads(b"".join(iter(lambda: sock.recv(65536), b"")).partition(b"\r\n\r\n")[2])

    return ask


@pytest.fixture
def crew(program, configuration, manager, port):
    """A ready daemon of two processes."""
    one = program(configuration(port=port, workers=2), {"NOTIFY_SOCKET": manager.path})
    manager.wait_for("READY=1")
    yield one
    for pid in children(one.pid) if one.process.poll() is None else ():
        os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_answers_when_the_daemon_itself_cannot(crew, port, ask):
    (worker,) = children(crew.pid)
    with standing_still(crew.pid):
        assert ask(port, "/pid") == str(worker)
    with standing_still(worker):
        assert ask(port, "/pid") == str(crew.pid)


@pytest.mark.slow
def test_one_that_ends_is_replaced_and_meanwhile_the_daemon_answers_and_is_not_ready(crew, port, ask, health):
    (worker,) = children(crew.pid)
    os.kill(worker, signal.SIGKILL)
    crew.wait_for(r"a worker of roles.desk was ended by signal 9; another is started in 0.5 s")
    assert ask(port, "/pid") == str(crew.pid)
    assert health()["components"]["role.desk"] == {"ok": False, "detail": "1 of 1 workers do not serve"}
    eventually(lambda: health()["ok"])
    (fresh,) = children(crew.pid)
    assert fresh != worker


@pytest.mark.slow
def test_sighup_reaches_workers_without_a_new_process(crew, configuration, port, ask):
    before = children(crew.pid)
    configuration(port=port, workers=2, text="changed")
    crew.signal(signal.SIGHUP)
    eventually(lambda: len(re.findall("reloaded: roles.desk", crew.log)) == 2)
    with standing_still(crew.pid):
        assert ask(port) == "changed"
    assert children(crew.pid) == before


@pytest.mark.slow
def test_their_number_changes_with_the_file_and_no_request_fails_meanwhile(crew, configuration, manager, port, ask):
    before = children(crew.pid)
    for count in (3, 2, 1, 2):
        configuration(port=port, workers=count)
        crew.signal(signal.SIGHUP)
        manager.wait_for("RELOADING=1")
        answers = [ask(port)]
        while len(children(crew.pid)) != count - 1:
            answers.append(ask(port))
        assert set(answers) == {"hello"}
    assert not before & children(crew.pid)


@pytest.mark.slow
def test_a_request_in_a_worker_ends_before_the_daemon_does(crew, manager, port, ask, tmp_path):
    (worker,) = children(crew.pid)
    answers: list[str] = []
    with standing_still(crew.pid):
        asking = threading.Thread(target=lambda: answers.append(ask(port, "/slow")))
        asking.start()
        crew.wait_for("slow began")
    crew.signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    (tmp_path / "state/role-desk/go").touch()
    asking.join(20)
    assert answers == ["hello"]
    assert crew.ended() == 0
    assert not Path(f"/proc/{worker}").exists()


@pytest.mark.slow
def test_workers_of_a_killed_daemon_end_by_themselves(crew):
    (worker,) = children(crew.pid)
    crew.process.kill()
    eventually(lambda: not Path(f"/proc/{worker}").exists())


@pytest.mark.slow
def test_the_port_is_free_at_once_when_the_daemon_is_killed_with_a_request_inside(
    crew, program, configuration, manager, port, ask, tmp_path
):
    (worker,) = children(crew.pid)
    with standing_still(crew.pid):
        asking = threading.Thread(target=lambda: ask(port, "/slow"))
        asking.start()
        crew.wait_for("slow began")
    crew.process.kill()
    again = program(configuration(port=port), {"NOTIFY_SOCKET": manager.path})
    manager.wait_for("READY=1")
    assert ask(port, "/pid") == str(again.pid)
    (tmp_path / "state/role-desk/go").touch()
    asking.join(20)
    eventually(lambda: not Path(f"/proc/{worker}").exists())


@pytest.mark.slow
def test_one_that_was_starting_while_the_file_changed_works_by_the_new_one(crew, configuration, port, ask, health):
    (worker,) = children(crew.pid)
    os.kill(worker, signal.SIGKILL)
    (fresh,) = eventually(lambda: children(crew.pid) - {worker})
    configuration(port=port, workers=2, text="changed")
    crew.signal(signal.SIGHUP)
    crew.wait_for("reloaded: roles.desk")
    eventually(lambda: health()["ok"])
    with standing_still(crew.pid):
        eventually(lambda: ask(port) == "changed")
    assert children(crew.pid) == {fresh}


@pytest.mark.slow
def test_a_daemon_that_stood_still_finds_its_workers_alive(crew, port, ask, monkeypatch):
    (worker,) = children(crew.pid)
    with standing_still(crew.pid):
        time.sleep(SILENCE_S + 1)
    assert ask(port) == "hello"
    assert children(crew.pid) == {worker}


@pytest.mark.slow
def test_workers_that_a_reload_took_away_keep_their_drain(crew, configuration, manager, port, ask, tmp_path):
    with standing_still(crew.pid):
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(ask(port, "/slow")))
        asking.start()
        crew.wait_for("slow began")
    configuration(port=port, workers=1)
    crew.signal(signal.SIGHUP)
    crew.wait_for("reloaded: roles.desk")
    crew.signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    (tmp_path / "state/role-desk/go").touch()
    asking.join(20)
    assert answers == ["hello"]
    assert crew.ended() == 0


@pytest.mark.slow
def test_ctrl_c_is_the_daemons(crew):
    (worker,) = children(crew.pid)
    os.kill(worker, signal.SIGINT)
    os.kill(crew.pid, signal.SIGINT)
    assert crew.ended() == 0
    assert crew.log.count("a worker stopped") == 1


@pytest.mark.slow
def test_a_worker_that_cannot_start_stops_the_start_and_says_why(program, configuration, port, tmp_path):
    configuration(port=port, workers=2)
    plugin = tmp_path / "plugins/desk.py"
    plugin.write_text(
        plugin.read_text() + '\nimport sys\nif sys.argv[0].endswith("worker.py"):\n    raise ValueError\n'
    )
    one = program(tmp_path / "zrokd.yml")
    assert one.ended() == 1
    assert re.search(r"zrokd: a worker of roles.desk ended with exit code 1", one.log)


def test_a_worker_is_not_for_people(tmp_path):
    told = subprocess.run(
        [sys.executable, "-m", "zrokd.host.worker", "desk", "0=1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (told.returncode, told.stderr) == (1, "zrokd: workers are started by `zrokd run`\n")
