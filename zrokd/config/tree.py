"""Plain values, with the place where each was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zrokd.errors import Problem

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; line and column count from 1. For a variable or flag, `file` names it and line is 0."""

    file: str
    line: int = 0
    column: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a value stands in a file; line and column count from 1, the end is the first that is not its."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that stands elsewhere, as the file names it: `!env NAME`."""

    kind: str  # env, file, cred or secret
    name: str

    def __str__(self) -> str:
        return f"!{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a text came from that does not stand in the file itself."""

    words: str  # as written, for messages: "!env PORT"; empty: the text may be shown
    text: str
    file: Path | None = None  # the file it was read from


class Unread:
    """What stands where a value could not be read: no key takes it, and a rule that needs the value waits."""

    def __repr__(self) -> str:
        return "what could not be read"


UNREAD = Unread()


@dataclass(slots=True)
class Tree:
    """The values of a configuration. `keys` are marks of mapping keys, `values` of what they hold."""

    data: dict[str, Any] = field(default_factory=dict)
    keys: dict[KeyPath, Mark] = field(default_factory=dict)
    values: dict[KeyPath, Mark] = field(default_factory=dict)
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    spans: dict[KeyPath, Span] = field(default_factory=dict)  # of texts and numbers that the files themselves hold
    key_spans: list[tuple[KeyPath, Span]] = field(default_factory=list)  # of keys
    secret: dict[KeyPath, bool] = field(default_factory=dict)  # by place, for keys that somebody knows
    broken: set[KeyPath] = field(default_factory=set)  # values that could not be read: one problem each is enough
    misspelt: set[KeyPath] = field(default_factory=set)  # as written: keys that are meant beside a component's
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    _spares: int = 0
    _moved: dict[KeyPath, KeyPath] = field(default_factory=dict)
    _opened: dict[KeyPath, KeyPath] = field(default_factory=dict)
    _beside: dict[KeyPath, tuple[str, ...]] = field(default_factory=dict)

    def move(self, path: KeyPath, written: KeyPath, beside: Iterable[str] = ()) -> None:
        """What the program finds at `path` stands at `written` in the file, beside these other keys."""
        self._moved[path] = written
        self._beside[path] = tuple(beside)

    def open(self, path: KeyPath, written: KeyPath) -> None:
        """What the program finds below `path` stands below `written` in the file."""
        self._opened[path] = written

    def beside(self, path: KeyPath) -> tuple[str, ...]:
        """The keys that could have been meant at `path` besides those of its own model."""
        return self._beside.get(path, ())

    def as_written(self, path: KeyPath) -> KeyPath:
        """`path` as it stands in the file."""
        for length in range(len(path), 0, -1):
            written = self._moved.get(path[:length])
            if written is None and length < len(path):
                written = self._opened.get(path[:length])
            if written is not None:
                return self.as_written(written) + path[length:]
        return path

    def mark(self, path: KeyPath, *, key: bool = False) -> Mark | None:
        """The place of a path, or of the nearest thing that holds it."""
        path = self.as_written(path)
        first = self.keys if key else self.values
        while True:
            found = first.get(path) or self.values.get(path) or self.keys.get(path)
            if found is not None or not path:
                return found
            path, first = path[:-1], self.keys

    def whereabouts(self, path: KeyPath, of: KeyPath) -> str:
        """For messages about `of`: another path, with its line, and its file when that is not the same."""
        named, mark, here = dotted(self.as_written(path)), self.mark(path), self.mark(of)
        if mark is None or not mark.line:
            return named
        return f"{named} in line {mark.line}" + ("" if here and here.file == mark.file else f" of {mark.file}")

    def origins_below(self, path: KeyPath) -> Iterator[Origin]:
        """The origins of `path` and of all that it holds."""
        path = self.as_written(path)
        return (origin for place, origin in self.origins.items() if place[: len(path)] == path)

    def files_of(self, path: KeyPath) -> str:
        """For hints: the files that all of a map's values were read from; "" where some stand in the YAML itself."""
        path = self.as_written(path)
        origins = [self.origins.get(key) for key in self.keys if key[:-1] == path]
        files = [str(origin.file) for origin in origins if origin and origin.file]
        return f"read from {' and '.join(files)}" if files and len(files) == len(origins) else ""

    def spare(self, path: KeyPath) -> KeyPath:
        """A path of its own for what stands at `path` and is not taken: its spans are kept, to be masked."""
        self._spares += 1
        return (*path, -self._spares)

    def is_broken(self, path: KeyPath) -> bool:
        """Whether the value was found unreadable before."""
        return self.as_written(path) in self.broken

    def problem(self, message: str, path: KeyPath, *, key: bool = False, hint: str = "") -> Problem:
        """A mistake at a path."""
        mark = self.mark(path, key=key) or Mark("")
        return Problem(
            message, dotted(self.as_written(path)), mark.file, mark.line, mark.column, mark.source, hint=hint
        )

    def refuse(self, message: str, path: KeyPath, *, key: bool = False, hint: str = "") -> None:
        """Keep a mistake at a path."""
        self.problems.append(self.problem(message, path, key=key, hint=hint))


def legible(key: str) -> str:
    """A key as messages name it: what follows a colon in it may be a secret before which a blank is missing."""
    name, colon, _ = key.partition(":")
    return f"{name}:..." if colon else key


def dotted(path: KeyPath) -> str:
    """A path as people write it: roles.backend.shares[0].target."""
    text = ""
    for part in path:
        if isinstance(part, int) and part < 0:  # spare
            continue
        text += f"[{part}]" if isinstance(part, int) else f".{legible(part)}" if text else legible(part)
    return text


def at(data: Any, path: KeyPath) -> Any:
    """What stands at `path` below a model, dict or list. :raises LookupError: nothing does."""
    for part in path:
        if isinstance(data, dict | list | tuple):
            data = data[part]  # type: ignore[index]
        elif hasattr(data, str(part)):
            data = getattr(data, str(part))
        else:
            raise LookupError(part)
    return data
