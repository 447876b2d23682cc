from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from zrokd.net.scales import Scales


@pytest.fixture
def pair() -> Iterator[tuple[Scales, Scales]]:
    """Those of two processes, of which the second has not told yet."""
    first = Scales.make()
    second = Scales(os.dup(first.fd), first.take())
    yield first, second
    first.close()
    second.close()


def test_alone_nothing_is_heavy():
    scales = Scales.make()
    scales.weigh(10_000)
    assert not scales.heavy
    scales.close()
    scales.close()


@pytest.mark.parametrize(("own", "other", "heavy"), [(5, 5, False), (7, 5, False), (8, 5, True), (3, 9, False)])
def test_who_carries_clearly_more_than_another_is_heavy(pair, own, other, heavy):
    first, second = pair
    first.weigh(own)
    second.weigh(other)
    assert first.heavy is heavy


def test_one_that_does_not_serve_yet_or_any_more_counts_for_nothing(pair):
    first, second = pair
    first.weigh(100)
    assert not first.heavy
    second.weigh(0)
    assert first.heavy
    second.leave()
    assert not first.heavy


def test_a_place_is_anothers_when_its_process_is_gone(pair):
    first, second = pair
    second.weigh(1)
    assert first.take() == 2
    first.leave(1)
    assert first.take() == 1


def test_there_is_an_end_to_places():
    scales = Scales.make()
    taken = [scales.take() for _ in range(63)]
    assert taken == list(range(1, 64))
    with pytest.raises(OSError, match="64 processes"):
        scales.take()
    scales.close()
