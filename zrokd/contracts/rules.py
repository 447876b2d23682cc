"""Rules over several keys: what is wrong, at the keys that are meant.

@rule
def _spares_are_known(self) -> Iterator[Mistake]:
    for index, name in enumerate(self.spares):
        if name not in self.targets:
            yield Mistake(f"no target is called {name!r}", ("spares", index))
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from pydantic import BaseModel, model_validator

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake, or what an operator should hear. The loader turns paths into file, line and column."""

    sentence: str
    path: Path = ()  # of the key that is meant, below the model whose rule it is
    hint: str = ""  # "did you mean 'public'?"
    first: Path = ()  # of another key that it clashes with; the message says where that stands


class Mistakes(ValueError):
    """All that one rule found."""

    def __init__(self, found: Iterable[Mistake]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(each.sentence for each in self.found))


def rule(find: Callable[[M], Iterable[Mistake]]) -> Any:
    """A method that yields what is wrong with settings whose single values are right. Asked at every validation.

    Once other values are wrong, the loader asks it of what is left. Up to where it reads what is not, its word counts.
    """

    @wraps(find)
    def asked(settings: M) -> M:
        if found := gathered(find(settings)):
            raise Mistakes(found)
        return settings

    return model_validator(mode="after")(asked)


def gathered(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Those that were found before something is read that is not there.

    :raises AttributeError: that was the first thing; TypeError too.
    """
    found: list[Mistake] = []
    try:
        for mistake in mistakes:
            found.append(mistake)  # noqa: PERF402  extend() would lose them
    except (AttributeError, TypeError):
        if not found:
            raise
    return found


def repeated(values: Iterable[tuple[Path, Hashable]]) -> Iterator[tuple[Path, Path]]:
    """The path of each value that stood before, and that of the first of its kind."""
    first: dict[Hashable, Path] = {}
    for path, value in values:
        if first.setdefault(value, path) != path:
            yield path, first[value]
