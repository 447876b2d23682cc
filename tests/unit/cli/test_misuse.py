import click
import pytest

from zrokd.cli.misuse import asked_for, in_words_of
from zrokd.errors import ConfigError, NotFound, Problem

FLAGS = {"target": "TARGET", "insecure": "--insecure", "grants": "--grant"}
SHARE = "roles.backend.shares[0]"


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (Problem("'x' is no target", f"{SHARE}.target"), "TARGET: 'x' is no target"),
        (Problem("'x' is no target", f"{SHARE}.mode.target"), ""),
        (Problem("bad", f"{SHARE}.grants[1]", hint="did you mean 'b'?"), "--grant: bad; did you mean 'b'?"),
        (Problem("the key 'target' is missing", f"{SHARE}.target"), "TARGET is missing; mode web needs it"),
        (Problem("unknown key 'insecure'", f"{SHARE}.insecure"), "mode web takes no --insecure"),
        (Problem("bad", f"{SHARE}.other"), ""),
        (Problem("bad", SHARE), ""),
        (Problem("bad", "overlay.dir"), ""),
        (Problem("bad"), ""),
    ],
)
def test_a_mistake_is_told_in_the_words_of_the_command_line_where_it_was_made_there(problem, told):
    with pytest.raises(click.UsageError if told else ConfigError) as caught, in_words_of(FLAGS, "web"):
        raise ConfigError([problem])
    assert not told or caught.value.message == told


def test_all_mistakes_are_told_each_once():
    problems = [Problem("bad", f"{SHARE}.target"), Problem("bad", f"{SHARE}.target"), Problem("no", f"{SHARE}.grants")]
    with pytest.raises(click.UsageError) as caught, in_words_of(FLAGS):
        raise ConfigError(problems)
    assert caught.value.message == "TARGET: bad; --grant: no"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("no such share", "no such share: abc"),
        ("no such environment", "no such environment: xyz"),
        ("no such access", "no such access"),
        ("the account may not", "the account may not"),
    ],
)
def test_what_there_is_not_is_named(said, told):
    with pytest.raises(NotFound) as caught, asked_for(share="abc", environment="xyz"):
        raise NotFound(said)
    assert str(caught.value) == told
