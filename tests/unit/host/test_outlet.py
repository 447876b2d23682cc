import io
import os
import select
import time

import pytest

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
