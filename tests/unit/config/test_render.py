from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zrokd.config.render import render_problems
from zrokd.errors import Problem


def test_a_mistake_has_its_place_its_sentence_and_a_caret() -> None:
    problem = Problem("'two' is not a whole number", "frontend.workers", "zrokd.yml", 4, 12, "  workers: two")
    assert render_problems([problem]) == (
        "zrokd.yml:4:12: frontend.workers: 'two' is not a whole number\n"
        "     4 |   workers: two\n"
        "       |            ^\n"
    )


def test_the_hint_follows_the_sentence() -> None:
    problem = Problem("unknown key 'timeot'", "frontend.timeot", "zrokd.yml", 7, 3, "  timeot: 1", "did you mean 'x'?")
    assert render_problems([problem]).split("\n")[0] == (
        "zrokd.yml:7:3: frontend.timeot: unknown key 'timeot'; did you mean 'x'?"
    )


def test_what_has_no_place_is_told_without() -> None:
    assert render_problems([Problem("is empty", file="a.yml")]) == "a.yml: is empty\n"
    assert render_problems([Problem("is wrong", "a.b")]) == "a.b: is wrong\n"
    assert render_problems([Problem("is wrong", "log", "$ZROKD_LOG")]) == "$ZROKD_LOG: log: is wrong\n"
    assert render_problems([]) == ""


def test_several_follow_each_other() -> None:
    assert render_problems([Problem("one"), Problem("two")]) == "one\ntwo\n"


def test_tabs_and_controls_do_not_move_the_caret_or_the_terminal() -> None:
    shown = render_problems([Problem("a\x1b[31mb", "k\ney", "f\x07.yml", 1, 3, "\t\x1bx: \u2028", "h\0")])
    assert shown == "f?.yml:1:3: k?ey: a?[31mb; h?\n     1 |   x:  \n       |   ^\n"


def test_of_a_long_line_the_part_around_the_spot_is_shown() -> None:
    source = "a" * 300 + "X" + "b" * 300
    _, line, caret, _ = render_problems([Problem("m", "", "f", 1, 301, source)]).split("\n")
    assert len(line) <= 9 + 120
    assert line[caret.index("^")] == "X"


@given(st.text(max_size=300), st.text(max_size=50), st.integers(1, 300))
def test_every_mistake_takes_one_or_three_lines_and_the_caret_is_below_its_spot(
    source: str, message: str, column: int
) -> None:
    shown = render_problems([Problem(message, "", "f", 1, column, source)])
    lines = shown.split("\n")
    assert len(lines) == (4 if source else 2)
    assert "\x1b" not in shown
    if source and column <= len(source):
        spot = source[column - 1]
        assert lines[1][lines[2].index("^")] in (spot, " ")
