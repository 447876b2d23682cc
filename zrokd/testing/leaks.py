"""What a test took and did not give back: descriptors, greenlets, child processes."""

from __future__ import annotations

import gc
import os
import re
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import gevent

_GRACE_S = 2.0
_POLL_S = 0.005
_TURNS = 3
_DATABASE = re.compile(r"(.*\.sqlite3)(?:-wal|-shm)?")
_Found = dict[Callable[[], dict[str, str]], dict[str, str]]
_SPAWNED: weakref.WeakSet[gevent.Greenlet] = weakref.WeakSet()


def watch() -> None:
    """Begin to remember greenlets, and open what gevent keeps open from its first use on. Once per process."""
    gevent.Greenlet.add_spawn_callback(_SPAWNED.add)
    hub = gevent.get_hub()
    hub.loop.install_sigchld()
    hub.threadpool.apply(int)


@contextmanager
def nothing_left(grace_s: float = _GRACE_S) -> Iterator[None]:
    """Fail when the block leaves something behind for longer than `grace_s` seconds. Switches greenlets.

    :raises AssertionError: names what is left.
    """
    _drop_caches()
    before = {find: find() for find in _FINDERS}
    yield
    _drop_caches()
    _let_end(before)
    until = time.monotonic() + grace_s
    while found := _left(before):
        if time.monotonic() > until:
            raise AssertionError(f"the test left behind: {'; '.join(found)}")
        gc.collect()
        gevent.sleep(_POLL_S)


def _let_end(before: _Found) -> None:
    """Most of it ends as soon as others have their turn; to look for cycles costs more than most tests."""
    for _ in range(_TURNS):
        if not _left(before):
            return
        gevent.sleep(_POLL_S)


def descriptors() -> dict[str, str]:
    """Open descriptors of this process and what they lead to.

    All connections to one SQLite database count once: one that outlives the test opens more when it is busy.
    """
    found = {}
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208  a Path would open one more
        with suppress(FileNotFoundError):  # the one that listed
            target = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115
            database = _DATABASE.fullmatch(target)
            found[database[1] if database else number] = f"descriptor {number} -> {target}"
    return found


def greenlets() -> dict[str, str]:
    """Greenlets that were spawned and have not ended."""
    return {str(id(greenlet)): repr(greenlet) for greenlet in list(_SPAWNED) if not greenlet.dead}


def children() -> dict[str, str]:
    """Child processes, those too that ended and that nobody waited for."""
    pids = [pid for task in Path("/proc/self/task").iterdir() for pid in _text(task / "children").split()]
    return {pid: f"process {pid} ({_text(Path('/proc') / pid / 'comm').strip()})" for pid in pids}


_FINDERS: tuple[Callable[[], dict[str, str]], ...] = (descriptors, greenlets, children)


def _left(before: _Found) -> list[str]:
    return [
        what
        for find, then in before.items()
        if len(now := find()) > len(then)
        for key, what in now.items()
        if then.get(key) != what and not (key in then and _DATABASE.fullmatch(key))
    ]


def _drop_caches() -> None:
    """Pipes that the relay keeps for the next connection are no leak."""
    pipes = sys.modules.get("zrokd.net.pipes")
    if pipes is not None:
        pipes.PIPES.clear()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
