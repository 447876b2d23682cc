from __future__ import annotations

import inspect

import pytest

from zrokd import errors
from zrokd.errors import ConfigError, Problem, RestartNeeded, ZrokdError

EVERY = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Exception)]


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_every_error_is_ours_and_says_whose_fault_it_is(cls: type[Exception]) -> None:
    assert issubclass(cls, ZrokdError)
    assert cls.__doc__


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (errors.StoreError, errors.Unavailable),
        (errors.OverlayError, errors.Unavailable),
        (errors.OverlayTimeout, errors.OverlayError),
        (errors.UnknownService, errors.OverlayError),
        (errors.NoTerminator, errors.OverlayError),
        (errors.StreamClosed, errors.StreamError),
        (errors.StreamTimeout, errors.StreamError),
    ],
)
def test_who_catches_the_wide_one_catches_the_narrow_one(narrow: type[Exception], wide: type[Exception]) -> None:
    assert issubclass(narrow, wide)


def test_a_stream_error_is_not_an_unavailable_part() -> None:
    assert not issubclass(errors.StreamError, errors.Unavailable)
    assert not issubclass(errors.MessageError, errors.StreamError)


LINES = {
    "all": (Problem("is wrong", "a.b", "f.yml", 3, 7, "  b: 1", "did you mean 'c'?"),
            "f.yml:3:7: a.b: is wrong; did you mean 'c'?"),
    "no hint": (Problem("is wrong", "a.b", "f.yml", 3, 7), "f.yml:3:7: a.b: is wrong"),
    "no path": (Problem("is wrong", "", "f.yml", 3, 7), "f.yml:3:7: is wrong"),
    "no line": (Problem("is wrong", "a.b", "$ZROKD_A__B"), "$ZROKD_A__B: a.b: is wrong"),
    "no file": (Problem("is wrong", "a.b"), "a.b: is wrong"),
    "nothing else": (Problem("is wrong"), "is wrong"),
}  # fmt: skip


@pytest.mark.parametrize("case", LINES)
def test_a_mistake_in_the_configuration_is_one_line(case: str) -> None:
    problem, line = LINES[case]
    assert str(ConfigError([problem])) == line


def test_all_mistakes_are_carried_and_told() -> None:
    problems = [Problem("one"), Problem("two", "x")]
    error = ConfigError(iter(problems))  # type: ignore[arg-type]
    assert error.problems == tuple(problems)
    assert str(error) == "one; x: two"


def test_the_source_line_is_for_the_terminal_and_not_in_the_text() -> None:
    assert "s3cret" not in str(ConfigError([Problem("is wrong", "a", "f", 1, 1, "token: s3cret")]))


def test_a_needed_restart_names_the_keys() -> None:
    error = RestartNeeded(["storage", "roles.frontend"])
    assert error.keys == ("storage", "roles.frontend")
    assert str(error) == "needs a restart to change: storage, roles.frontend"


def test_unavailable_advises_when_to_try_again() -> None:
    assert errors.Unavailable("down").retry_after_s == 2.0
    assert errors.StoreError("down", 30).retry_after_s == 30
    assert str(errors.OverlayTimeout("down", 1)) == "down"


def test_a_refused_message_has_the_status_that_its_sender_is_told() -> None:
    error = errors.MessageError(431, "the head is too large")
    assert (error.status, str(error)) == (431, "the head is too large")
