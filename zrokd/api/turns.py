"""How many calls of one account run at a time, so that no account takes the threads and locks that all need."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from zrokd.errors import Unavailable

AT_ONCE = 4  # half of the host's threads
MOST = 64  # under way or waiting
WAIT_S = 10.0


@dataclass(slots=True)
class _Line:
    room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))
    calls: int = 0


class Turns:
    """The calls of each account. What costs only the caller's own waiting is not counted: see `of`."""

    def __init__(self) -> None:
        self._lines: dict[int, _Line] = {}

    def __len__(self) -> int:
        """Accounts with calls under way or waiting."""
        return len(self._lines)

    @contextmanager
    def of(self, account_id: int | None) -> Iterator[None]:
        """Run the block when it is the account's turn; at once for who is none (an administrator, a frontend).

        Switches greenlets. :raises Unavailable: too many of its calls wait, or it took too long.
        """
        if account_id is None:
            yield
            return
        line = self._lines.setdefault(account_id, _Line())
        if line.calls >= MOST:
            raise _busy()
        line.calls += 1
        try:
            with _turn(line.room):
                yield
        finally:
            line.calls -= 1
            if not line.calls:
                del self._lines[account_id]


@contextmanager
def _turn(room: threading.Semaphore) -> Iterator[None]:
    if not room.acquire(timeout=WAIT_S):
        raise _busy()
    try:
        yield
    finally:
        room.release()


def _busy() -> Unavailable:
    return Unavailable("this account has too many calls under way; try again", retry_after_s=1.0)
