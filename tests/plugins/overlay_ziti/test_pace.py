"""More dials while they are answered soon, fewer while not, and one sentence for all when none is."""

import pytest
from zrokd_plugins.overlay_ziti.pace import Pace

SOON, LATE = 0.01, 0.5


@pytest.mark.parametrize(
    ("answers", "width"),
    [([], 4), ([SOON], 5), ([SOON] * 40, 16), ([LATE] * 9, 4), ([SOON] * 40 + [LATE], 8)],
)
def test_it_follows_the_network(answers, width):
    pace = Pace()
    for took_s in answers:
        pace.answered(took_s)
    assert pace.width == width


def test_one_service_without_an_answer_says_nothing_of_others():
    pace = Pace()
    for _ in range(2):
        pace.unanswered("silence")
    pace.answered(SOON)
    pace.unanswered("silence")
    assert not pace.trouble


def test_some_without_an_answer_speak_for_all_until_one_comes():
    pace = Pace()
    for _ in range(3):
        pace.unanswered("silence")
    assert pace.trouble == "silence"
    assert pace.width == 1
    pace.answered(LATE)
    assert not pace.trouble


def test_there_is_room_below_the_width_only():
    pace = Pace()
    assert pace.has_room
    pace.under_way = pace.width
    assert not pace.has_room
