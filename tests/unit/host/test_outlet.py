import fcntl
import io
import os
import select
import signal
import socket
import subprocess
import sys
import time

import pytest
from gevent.os import tp_read

from zrokd.host.outlet import Outlet


@pytest.fixture
def pipe():
    """The reading descriptor, and an outlet at the other end of a pipe."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        yield reader, Outlet(stream)
    os.close(reader)


def fill(outlet, line="x" * 999):
    """How many lines it takes while nobody reads."""
    taken = 0
    while outlet.write(line):
        taken += 1
    return taken


def drain(reader):
    data = b""
    while select.select([reader], [], [], 0)[0]:
        data += os.read(reader, 1 << 16)
    return data


def test_lines_arrive_in_their_order(pipe):
    reader, outlet = pipe
    assert outlet.write("one")
    assert outlet.write("zw\u00f6lf \udcff")
    assert drain(reader) == "one\nzw\u00f6lf \\udcff\n".encode()


@pytest.mark.blocks_hub("waits 0.1 s for a reader, on purpose")
def test_a_reader_that_stands_still_costs_a_moment_once(pipe):
    _, outlet = pipe
    assert fill(outlet) >= 60
    began = time.monotonic()
    assert not any(outlet.write("lost") for _ in range(1000))
    assert time.monotonic() - began < 0.5


def test_what_was_cut_ends_its_line_before_the_next(pipe):
    reader, outlet = pipe
    assert not outlet.write("a" * 1_000_000)
    assert set(drain(reader)) == {ord("a")}
    assert outlet.write("whole")
    assert drain(reader) == b"\nwhole\n"


def test_lines_longer_than_a_page_pass_whole(pipe):
    reader, outlet = pipe
    assert outlet.write("b" * 50_000)
    assert drain(reader) == b"b" * 50_000 + b"\n"


WRITES = """
import sys
from zrokd.host.outlet import Outlet
outlet = Outlet(sys.stderr)
print(flush=True)
sys.stdin.read()
for _ in range(200):
    outlet.write(sys.argv[1] * 20_000)
"""


@pytest.mark.blocks_hub("waits for processes")
@pytest.mark.parametrize("socket_pair", [False, True], ids=["pipe", "socket"])
def test_long_lines_of_processes_that_share_a_descriptor_do_not_mix(socket_pair):
    if socket_pair:  # as that of a service manager's journal
        reader, writer = (one.detach() for one in socket.socketpair())
        os.set_blocking(reader, True)
        os.set_blocking(writer, True)
    else:
        reader, writer = os.pipe()
    how = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": writer}
    both = [subprocess.Popen([sys.executable, "-c", WRITES, letter], **how) for letter in "ab"]
    os.close(writer)
    for one in both:
        assert one.stdout.read(1)
        one.stdout.close()
    for one in both:
        one.stdin.close()
    data = b"".join(iter(lambda: tp_read(reader, 1 << 16), b""))
    os.close(reader)
    assert [one.wait() for one in both] == [0, 0]
    lines = [line for line in data.split(b"\n") if line]
    assert {(line[:1], len(set(line))) for line in lines} == {(b"a", 1), (b"b", 1)}


@pytest.mark.blocks_hub("waits 0.1 s for another process, on purpose")
def test_a_process_that_keeps_its_turn_is_waited_for_once(pipe):
    reader, outlet = pipe
    child = os.fork()
    if not child:
        fcntl.lockf(outlet._fd, fcntl.LOCK_EX)
        os.write(outlet._fd, b"x")
        signal.pause()
    try:
        assert os.read(reader, 1) == b"x"
        began = time.monotonic()
        assert all(outlet.write("goes on") for _ in range(100))
        assert 0.1 <= time.monotonic() - began < 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_reader_that_is_gone_is_told():
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        outlet = Outlet(stream)
        outlet.write("read")
        os.close(reader)
        with pytest.raises(BrokenPipeError):
            for _ in range(1000):
                outlet.write("x")
                time.sleep(0.001)  # a process that begins beside us may hold the reader's end for a moment


def test_a_stream_without_a_descriptor_is_written_to_as_it_is():
    stream = io.StringIO()
    assert Outlet(stream).write("x")
    assert stream.getvalue() == "x\n"
