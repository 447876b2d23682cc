"""Answers to what went before are progress; to what came later, or of another kind, they are none."""

import time

from zrokd_plugins.overlay_ziti.frames import Kind
from zrokd_plugins.overlay_ziti.progress import Progress


def test_only_what_went_before_and_is_of_the_kind_counts():
    progress = Progress()
    assert progress.ahead_of(Kind.CONNECT, 5) == 0.0
    for kind, sequence in [(Kind.CONNECT, 6), (Kind.BIND, 4), (Kind.CONNECT, 5)]:
        progress.answered(kind, sequence)
    assert progress.ahead_of(Kind.CONNECT, 5) == 0.0
    began = time.monotonic()
    progress.answered(Kind.CONNECT, 4)
    assert began <= progress.ahead_of(Kind.CONNECT, 5) <= time.monotonic()


def test_it_holds_no_more_than_it_needs():
    progress = Progress()
    for sequence in range(10_000):
        progress.answered(Kind.CONNECT, sequence)
    assert progress.ahead_of(Kind.CONNECT, 10_000)
    assert sum(len(each) for each in progress._answers.values()) < 1000
