"""The `ziti` program as a child of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import gevent
import pytest
from zrokd_plugins.overlay_ziti import program as module
from zrokd_plugins.overlay_ziti.program import Program, end

from zrokd.errors import StartError

PASSWORD = "first-password-with-\"quotes'-and-$"
READS_PASSWORD = """
import getpass, termios
assert os.isatty(0)
print("asked", arguments)
first, second = input(), input()
open(os.path.join(os.environ["HOME"], "got"), "w").write(first)
sys.exit(0 if first == second else 1)
"""


@pytest.mark.parametrize(
    ("says", "expected"),
    [("v1.6.0", (1, 6, 0)), ("v0.0.0", (0, 0, 0)), ("1.2.13", (1, 2, 13)), ("ziti v1.99.0-rc1", (1, 99, 0))],
)
def test_its_version_is_read(fake_program, says, expected):
    assert fake_program(f"print({says!r})").version() == expected


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("print('v2.0.0')", "is ziti 2.0.0; a managed network needs at least 1.2 and less than 2.0"),
        ("print('v0.34.2')", "is ziti 0.34.2"),
        ("print('GNU bash')", "is no ziti program"),
        ("sys.exit(3)", "`ziti version` failed"),
    ],
)
def test_a_wrong_version_is_refused(fake_program, code, told):
    with pytest.raises(StartError, match=told):
        fake_program(code).version()


def test_the_first_password_goes_through_a_terminal_and_not_through_the_command_line(fake_program, tmp_path):
    fake_program(READS_PASSWORD).make_admin(tmp_path / "c.json", "admin", PASSWORD)
    assert (tmp_path / "got").read_text() == PASSWORD


def test_a_failure_is_told_with_its_reason(fake_program):
    program = fake_program("print('chatter'); print('fatal: the disk is full'); print('bye'); sys.exit(1)")
    with pytest.raises(StartError, match=r"`ziti router enroll \S+` failed: fatal: the disk is full$"):
        program.enrol_router(Path("config"), Path("token"))


def test_a_failure_without_a_reason_is_told_with_the_last_words(fake_program):
    with pytest.raises(StartError, match="failed: one / two / three"):
        fake_program("print('zero\\none\\ntwo\\nthree'); sys.exit(1)").ask("version")


def test_one_that_hangs_is_ended(fake_program, monkeypatch):
    monkeypatch.setattr(module, "ASK_S", 0.2)
    with pytest.raises(StartError, match="`ziti version` did not end within 0 s"):
        fake_program("time.sleep(60)").ask("version")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "no program at .*/ziti; docs/ziti.md"),
        (lambda path: path.write_text("#!/bin/sh\n"), "cannot be run: Permission denied"),
        (lambda path: (path.write_bytes(b"\x7fELF nonsense"), path.chmod(0o755)), "cannot be run: Exec format error"),
    ],
)
def test_one_that_cannot_be_run_is_told(tmp_path, make, told):
    make(tmp_path / "ziti")
    with pytest.raises(StartError, match=told):
        Program(tmp_path / "ziti", tmp_path).version()


def test_sigterm_is_tried_first(fake_program):
    """However long it takes to heed it: the patience is not what is tried here."""
    code = "import signal\nsignal.signal(15, lambda *_: os._exit(7))\nprint('up', flush=True)\ntime.sleep(600)"
    child = fake_program(code).start(output=subprocess.PIPE)
    with child:
        assert child.stdout.readline() == b"up\n"
        assert end(child, 600) == 7


def test_one_that_does_not_hear_sigterm_is_killed(fake_program):
    code = "import signal\nsignal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"
    child = fake_program(code).start(output=subprocess.PIPE)
    with child:
        assert child.stdout.readline() == b"up\n"
        assert end(child, 0.1) == -signal.SIGKILL
        assert end(child, 0.1) == -signal.SIGKILL


_OWNER = """
from gevent import monkey; monkey.patch_all()
import gevent, subprocess
from pathlib import Path
from zrokd_plugins.overlay_ziti.program import Program
child = Program(Path({binary!r}), Path({home!r})).start(output=subprocess.DEVNULL)
print(child.pid, flush=True)
gevent.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_it_ends_with_us_however_we_end(fake_program, tmp_path, number):
    program = fake_program("import signal\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(60)")
    code = _OWNER.format(binary=str(program.binary), home=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as owner:
        pid = int(owner.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        owner.send_signal(number)
        owner.wait(10)
    until = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        gevent.sleep(0.01)


def test_it_does_not_hear_our_terminal(fake_program):
    child = fake_program("time.sleep(60)").start(output=subprocess.DEVNULL)
    assert os.getsid(child.pid) == child.pid
    end(child, 0)
