import click
import pytest

from zrokd.cli.sets import parse_sets


def test_pairs_are_parsed_and_the_last_counts():
    assert parse_sets(("a.b=1", "c=x=y", "a.b=2", "d=")) == {"a.b": "2", "c": "x=y", "d": ""}


@pytest.mark.parametrize("text", ["", "a", "=1"])
def test_half_a_pair_is_refused(text):
    with pytest.raises(click.UsageError, match="KEY=VALUE"):
        parse_sets((text,))
