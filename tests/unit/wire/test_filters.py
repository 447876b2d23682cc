import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import Invalid
from zrokd.model.filters import Activity, Count, EnvironmentFilter
from zrokd.wire.filters import (
    access_filter_from_wire,
    duration_s_from_wire,
    environment_filter_from_wire,
    share_filter_from_wire,
)

READERS = (environment_filter_from_wire, share_filter_from_wire, access_filter_from_wire)
FIELDS = (
    "createdAfter", "createdBefore", "updatedAfter", "updatedBefore", "hasActivity", "idle", "activityDuration",
    "shareCount", "accessCount", "hasShares", "remoteAgent", "description", "backendMode", "bindAddress",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("720h", 2_592_000),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("1s500ms", 1.5),
        ("10µs", 1e-5),
        ("0s", 0),
    ],
)
def test_durations_are_read_as_go_reads_them(text, seconds):
    assert duration_s_from_wire(text, "duration") == pytest.approx(seconds)


def test_days_count_for_activity_alone():
    assert duration_s_from_wire("7d", "activityDuration", days=True) == 7 * 86400
    with pytest.raises(Invalid, match="d is no unit"):
        duration_s_from_wire("7d", "duration")


@pytest.mark.parametrize("text", ["", "5", "h", "-1h", "1h ", "1 h", "1h30", "１h", "1e3s", "inf", "9" * 40 + "h"])
def test_what_is_no_duration_is_told(text):
    with pytest.raises(Invalid, match="duration must be"):
        duration_s_from_wire(text, "duration")


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=30) | st.from_regex(r"[0-9TZ:.+<>=dhms-]{0,25}")))
def test_any_query_is_a_filter_or_invalid(query):
    for read in READERS:
        try:
            read(query)
        except Invalid as error:
            assert len(str(error)) < 200


@pytest.mark.parametrize(
    ("text", "count"),
    [("3", Count("=", 3)), (">=3", Count(">=", 3)), ("<= 3", Count("<=", 3)), (" >3 ", Count(">", 3)), ("", None)],
)
def test_counts_are_compared_as_written(text, count):
    assert environment_filter_from_wire({"shareCount": text}).share_count == count


def test_times_with_any_offset_are_the_same_moment():
    both = [
        environment_filter_from_wire({"createdAfter": text}).times.created_after_ms
        for text in ("2026-01-31T12:00:00Z", "2026-01-31T14:00:00.000+02:00", "2026-01-31t12:00:00z")
    ]
    assert both == [1769860800000] * 3


def test_an_empty_query_wants_everything():
    assert environment_filter_from_wire({}) == EnvironmentFilter()
    assert share_filter_from_wire({"idle": "false", "hasActivity": "false"}).activity == Activity()


def test_modes_are_called_as_zrok_calls_them():
    assert share_filter_from_wire({"backendMode": "tcpTunnel"}).mode == "tcp"
