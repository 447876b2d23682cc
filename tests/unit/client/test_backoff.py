import random

import pytest

from zrokd.client.backoff import Backoff


def test_delays_double_up_to_the_limit_and_are_cut_by_half_at_most():
    backoff = Backoff(first_s=1.0, limit_s=10.0, rng=random.Random(1))
    for full_s in (1, 2, 4, 8, 10, 10, 10):
        assert full_s / 2 <= backoff.next_s() <= full_s


def test_a_success_starts_with_short_delays_again():
    backoff = Backoff(first_s=1.0, limit_s=100.0)
    for _ in range(5):
        backoff.next_s()
    assert backoff.tries == 5
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_a_long_outage_does_not_overflow():
    backoff = Backoff(limit_s=15.0)
    backoff.tries = 100_000
    assert backoff.next_s() <= 15.0


def test_two_clients_do_not_come_back_in_step():
    first, second = Backoff(rng=random.Random(1)), Backoff(rng=random.Random(2))
    assert [first.next_s() for _ in range(5)] != pytest.approx([second.next_s() for _ in range(5)])
