"""Secrets out of the lines that messages quote, whatever else is wrong with them."""

from __future__ import annotations

import difflib
import functools
import re
import typing
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from zrokd.config.tree import KeyPath, Span, Tree
from zrokd.config.uses import models_in
from zrokd.errors import Problem
from zrokd.model.units import Secret

_WORDS = r"token|secret|passw|passphrase|credential|basic_auth|api_?key|private_?key|\bpin\b"
_LIKE = re.compile(_WORDS, re.IGNORECASE)
_ASSIGNED = re.compile(rf"((?:{_WORDS})[\w-]*[\"']?\s*:\s*)(?!!)(\S.*)", re.IGNORECASE)


def learn(model: type[BaseModel], data: Any, base: KeyPath, tree: Tree) -> None:
    """Note for each key of `data` that `model` knows whether it is for a secret."""
    for path, inner, values in models_in(model, data, base):
        for name, field in inner.model_fields.items():
            if name in values:
                tree.secret[tree.as_written((*path, name))] = _is_secret(field.annotation)


def is_secret(path: KeyPath, tree: Tree) -> bool:
    """Whether what stands at `path` is for a secret; a key that nobody knows is, when it is called like one."""
    if (known := tree.secret.get(path)) is not None:
        return known
    if any(tree.secret.get(path[:length]) for length in range(1, len(path))):
        return True
    names = [part for part in path if isinstance(part, str)]
    return bool(names) and _is_like(names[-1])


def masked(problems: Iterable[Problem], tree: Tree) -> list[Problem]:
    """The problems, with stars for the secrets in the lines that they quote."""
    problems = list(problems)
    lines = {(problem.file, problem.line) for problem in problems}
    spans = [
        span
        for path, span in tree.spans.items()
        if any((span.file, line) in lines for line in range(span.line, span.end_line + 1)) and is_secret(path, tree)
    ]
    return [replace(problem, source=_mask(problem, spans)) if problem.source else problem for problem in problems]


def mask_text(source: str) -> str:
    """The same for a line that could not be read: what follows a key that is called like a secret."""
    return _ASSIGNED.sub(lambda found: found[1] + "*" * len(found[2]), source)


@functools.lru_cache(1024)
def _is_like(name: str) -> bool:
    """Whether a key is called as secrets are, or nearly so: it may be the misspelt one that the message is about."""
    close = difflib.get_close_matches(name.lower()[:32], ("token", "secret", "password", "basic_auth"), 1, 0.75)
    return bool(close) or _LIKE.search(name) is not None


def _mask(problem: Problem, spans: Iterable[Span]) -> str:
    source = problem.source
    for span in spans:
        if span.file == problem.file and span.line <= problem.line <= span.end_line:
            begin = span.column - 1 if span.line == problem.line else 0
            end = span.end_column - 1 if span.end_line == problem.line else len(source)
            source = source[:begin] + "*" * (end - begin) + source[end:]
    return source


def _is_secret(annotation: Any) -> bool:
    return annotation is Secret or any(_is_secret(inner) for inner in typing.get_args(annotation))
