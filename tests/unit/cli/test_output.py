import json

import pytest

from zrokd.cli.output import clean, emit, say, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain ü", "plain ü"), ("\x1b[2Jgone", "?[2Jgone"), ("a\nb\rc", "a?b?c"), ("\x9b31m", "?31m"), (7, "7")],
)
def test_control_characters_do_not_reach_the_terminal(text, shown):
    assert clean(text) == shown


def test_emit_prints_one_line(capsys):
    emit({"text": "zwei\nZeilen", "ü": 1})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"text": "zwei\nZeilen", "ü": 1}


def test_say_goes_to_standard_error(capsys):
    say("well")
    assert capsys.readouterr() == ("", "well\n")


ROWS = [{"a_b": True, "c": ["x", "y"]}, {"a_b": False, "c": None, "more": 1}, {"a_b": "\x1b", "c": 3}]


def test_a_table_lines_its_columns_up(capsys):
    table(ROWS, ("a_b", "c"), as_json=False, none="none")
    assert capsys.readouterr().out == "A B  C\nyes  x, y\nno\n?    3\n"


def test_rows_as_json_are_whole(capsys):
    table(ROWS, ("a_b",), as_json=True, none="none")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS


def test_no_rows_are_said_to_people_only(capsys):
    table([], ("a",), as_json=False, none="nothing yet")
    assert capsys.readouterr() == ("", "nothing yet\n")
    table([], ("a",), as_json=True, none="nothing yet")
    assert capsys.readouterr() == ("", "")
