"""Mistakes as people read them: place, message, the line, and a caret under the spot."""

from __future__ import annotations

import re
from collections.abc import Iterable

from zrokd.errors import Problem

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_WIDTH = 120


def render_problems(problems: Iterable[Problem]) -> str:
    """All of them, one below the other, with a final newline. For a terminal: it shows lines as written."""
    return "".join(_render(problem) for problem in problems)


def _render(problem: Problem) -> str:
    place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    text = ": ".join(part for part in (place, problem.path, problem.message) if part)
    text = _CONTROL.sub("?", f"{text}; {problem.hint}" if problem.hint else text) + "\n"
    return text + _quoted(problem) if problem.source and problem.line else text


def _quoted(problem: Problem) -> str:
    """The line and a caret; of a long line the part around the spot."""
    source, column = _CONTROL.sub(" ", problem.source), problem.column - 1
    start = max(0, column - _WIDTH // 2) if len(source) > _WIDTH else 0
    number = f"{problem.line:6d}"
    return f"{number} | {source[start : start + _WIDTH]}\n{' ' * len(number)} | {' ' * (column - start)}^\n"
