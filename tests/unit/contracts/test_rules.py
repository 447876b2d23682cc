from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from zrokd.contracts import Mistake, Settings, repeated, rule
from zrokd.contracts.rules import Mistakes


class Span(Settings):
    low: int = 0
    high: int = 9

    @rule
    def _ordered(self) -> Iterator[Mistake]:
        """The lower end comes first."""
        for key in ("low", "high") if self.low > self.high else ():
            yield Mistake(f"{key} is on the wrong side", (key,))


def test_settings_that_keep_the_rule_are_made() -> None:
    assert Span(low=1).high == 9


def test_all_that_a_rule_yields_is_in_its_error() -> None:
    with pytest.raises(ValidationError, match="low is on the wrong side; high is on the wrong side") as caught:
        Span(low=10)
    [item] = caught.value.errors()
    error = item["ctx"]["error"]
    assert isinstance(error, Mistakes)
    assert [each.path for each in error.found] == [("low",), ("high",)]


def test_what_stands_again_is_found_with_the_first_of_its_kind() -> None:
    values = [(("list", index), value) for index, value in enumerate("abab")]
    assert list(repeated(values)) == [(("list", 2), ("list", 0)), (("list", 3), ("list", 1))]
