"""SinkContract: every sink passes it, and so does yours."""

from __future__ import annotations

import pytest

from zrokd.contracts import Sink
from zrokd.model.limits import UsageSample
from zrokd.testing.contracts.component import ComponentContract


def samples(count: int) -> list[UsageSample]:
    """So many samples."""
    return [
        UsageSample(share_token=f"tok{n}", rx_bytes=n, tx_bytes=2**40 + n, at_ms=1_800_000_000_000)
        for n in range(count)
    ]


class SinkContract(ComponentContract):
    """The suite for slot sink."""

    @pytest.mark.parametrize("count", [0, 1, 1000])
    def test_a_batch_is_taken(self, component: Sink, count: int) -> None:
        component.write(samples(count))

    def test_a_tuple_is_a_batch_too(self, component: Sink) -> None:
        component.write(tuple(samples(3)))

    def test_many_batches_are_taken(self, component: Sink) -> None:
        for _ in range(100):
            component.write(samples(3))
        assert component.health().ok
