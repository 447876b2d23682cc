"""`python3 dev.py demo`, as a person runs it; the environment is there already."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.blocks_hub("waits for the demo"),
    pytest.mark.skipif(not (ROOT / ".venv/bin/python").exists(), reason="made by dev.py"),
]
READY_S = 3.0


def test_once_fetches_both_shares_and_ends_with_0():
    done = subprocess.run(
        [sys.executable, "dev.py", "demo", "--once"], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert warnings(done.stderr) == []
    first = done.stdout.splitlines()[0]
    assert re.fullmatch(r"http://(hello|files)\.localhost:\d+", first)
    assert done.stdout.count("200 OK") == 2
    assert "hello.txt" in done.stdout
    assert "curl -H 'Host: hello.localhost' http://127.0.0.1:" in done.stdout


def test_once_ends_quietly_when_nobody_reads_any_more():
    with subprocess.Popen(
        [sys.executable, "dev.py", "demo", "--once"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        demo.stdout.readline()
        demo.stdout.close()
        said = demo.stderr.read()
        assert demo.wait(20) == 128 + signal.SIGPIPE
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_it_shows_the_address_soon_then_requests_and_ends_with_0_on_ctrl_c():
    began = time.monotonic()
    demo = subprocess.Popen(
        [sys.executable, "dev.py", "demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        url = demo.stdout.readline().split()[0]
        took_s = time.monotonic() - began
        line = demo.stdout.readline()
        curl = re.search(r"'Host: (\S+)' http://127.0.0.1:(\d+)/", line)
        assert visit(curl[1], int(curl[2])).startswith(b"HTTP/1.1 200")
        shown = ""
        while "GET " not in shown:
            shown = demo.stdout.readline()
            assert shown, demo.stderr.read()
        assert "200" in shown
    finally:
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: to both
        _, err = demo.communicate(timeout=30)
    assert url.startswith("http://")
    assert demo.returncode == 0
    assert warnings(err) == []
    assert took_s < 3 * READY_S  # the goal is 3 s on a machine that does nothing else


def test_an_end_right_after_the_start_is_as_quiet():
    demo = subprocess.Popen(
        [sys.executable, "dev.py", "demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout.readline().startswith("http://")
    began = time.monotonic()
    os.killpg(demo.pid, signal.SIGINT)
    _, err = demo.communicate(timeout=30)
    assert demo.returncode == 0
    assert warnings(err) == []
    assert time.monotonic() - began < 4.0  # the drain's limit is 5 s, and nobody visits


def warnings(text):
    """What was said besides that `.venv` is made up to date, or that somebody here has a port."""
    return [line for line in text.splitlines() if not line.startswith(("dev.py: setting up ", "dev.py: port "))]


def visit(host, port):
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return sock.recv(65536)
