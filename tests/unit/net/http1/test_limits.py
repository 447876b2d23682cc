from __future__ import annotations

import dataclasses

import pytest

from zrokd.net.http1.limits import HttpLimits


def test_the_promised_defaults_are_the_defaults():
    limits = HttpLimits()
    assert (limits.request_line_bytes, limits.head_bytes, limits.fields) == (8192, 32768, 100)
    assert (limits.head_s, limits.body_idle_s, limits.body_rate_bytes_s) == (10, 30, 256)
    assert (limits.write_stall_s, limits.first_byte_s, limits.response_idle_s) == (60, 60, 300)
    assert (limits.head_crowded_s, limits.pipelined) == (5, 8)
    assert (limits.keep_alive_s, limits.keep_alive_requests, limits.stream_idle_s) == (75, 1000, 3600)


def test_limits_do_not_change_under_a_connection():
    with pytest.raises(dataclasses.FrozenInstanceError):
        HttpLimits().head_s = 1  # type: ignore[misc]
