from __future__ import annotations

import fcntl
import os

import pytest

from zrokd.net.pipes import PIPE_BYTES, PIPES, PipePool


@pytest.fixture
def pool():
    pool = PipePool(limit=2, spare=1)
    yield pool
    pool.clear()


def test_a_pipe_is_large_and_does_not_block(pool):
    pipe = pool.take()
    assert fcntl.fcntl(pipe.writer, fcntl.F_GETPIPE_SZ) == PIPE_BYTES
    with pytest.raises(BlockingIOError):
        os.read(pipe.reader, 1)
    pool.give(pipe, empty=True)


def test_no_more_than_the_limit_are_lent(pool):
    first, second = pool.take(), pool.take()
    assert pool.take() is None
    pool.give(first, empty=True)
    third = pool.take()
    assert third == first
    pool.give(second, empty=True)
    pool.give(third, empty=True)


def test_a_pipe_with_bytes_in_it_is_never_lent_again(pool):
    pipe = pool.take()
    os.write(pipe.writer, b"somebody's")
    pool.give(pipe, empty=False)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(pipe.reader)


def test_only_some_are_kept(pool):
    first, second = pool.take(), pool.take()
    pool.give(first, empty=True)
    pool.give(second, empty=True)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(second.reader)
    os.fstat(first.reader)


@pytest.mark.parametrize("call", ["zrokd.net.pipes.os.pipe2", "zrokd.net.pipes.fcntl.fcntl"])
def test_without_a_pipe_to_have_there_is_none(pool, monkeypatch, call):
    def fail(*_args: object) -> None:
        raise OSError(1, "no")

    monkeypatch.setattr(call, fail)
    assert pool.take() is None
    monkeypatch.undo()
    pipe = pool.take()
    assert pipe is not None
    pool.give(pipe, empty=False)


def test_the_pool_of_the_daemon_stays_within_an_unprivileged_users_share():
    assert PIPES._limit * PIPE_BYTES <= 64 << 20
