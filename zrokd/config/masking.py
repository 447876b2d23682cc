"""Secrets out of messages and of the lines that they quote, whatever else is wrong with them."""

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
from zrokd.model.secrecy import SUSPECT
from zrokd.model.units import Secret

_LIKE = re.compile(SUSPECT, re.IGNORECASE)
_REFERENCE = r"!(?:env|file|cred|secret)\s"
_ASSIGNED = re.compile(rf"((?:{SUSPECT})[\w-]{{0,99}}[\"']?\s{{0,99}}:\s*)(?!{_REFERENCE})(\S.*)", re.IGNORECASE)
_UNREAD = re.compile(
    r"(?P<shown>(?:^\s{0,99}|[,{\[])[\s{\[]{0,5}(?:[-?]\s+){0,9}"
    r"[\"']?[A-Za-z_][\w-]{0,99}[\"']?\s{0,99}:(?=\s|$)"  # a key
    rf"|{_REFERENCE}+[^\s,}}\]]+)"
    r"|[^\s{}\[\],:\"'-]+"
)
_URL_PASSWORD = re.compile(
    r"(?<=//)([^\s/?#:@'\"]{0,255}:)(\S{1,255}(?=@)|(?!\d+[\s/,}\]'\"])[^@'\"]{1,255}(?=@))"  # the former may be a port
)


def learn(model: type[BaseModel], data: Any, base: KeyPath, tree: Tree) -> None:
    """Note for each key of `data` that `model` knows whether it is for a secret."""
    for path, inner, values in models_in(model, data, base):
        for name, field in inner.model_fields.items():
            if name in values:
                tree.secret[tree.as_written((*path, name))] = _is_secret(field.annotation)


def is_secret(path: KeyPath, tree: Tree) -> bool:
    """Whether what stands at `path` is for a secret; a key that nobody knows is, when it is called like one."""
    taken = tuple(part for part in path if not (isinstance(part, int) and part < 0))
    if (known := tree.secret.get(taken)) is not None:
        return known
    if taken != path or any(tree.secret.get(taken[:length]) for length in range(1, len(taken))):
        return True  # no schema was ever asked about a spare: better too many stars
    names = [part for part in path if isinstance(part, str)]
    return bool(names) and _is_like(names[-1])


def _is_secret_key(path: KeyPath, tree: Tree) -> bool:
    """Whether a key stands where a secret should, as in `token: {s3cret: }`, or holds one, as in `{token:s3cret}`."""
    if ":" in str(path[-1]):
        return True
    return path not in tree.secret and path[:-1] != () and is_secret(path[:-1], tree)


def masked(problems: Iterable[Problem], tree: Tree) -> list[Problem]:
    """The problems, with stars for the secrets in the lines that they quote, and for passwords in URLs."""
    problems = list(problems)
    lines = {(problem.file, problem.line) for problem in problems}
    spans = [
        span
        for is_hidden, found in ((is_secret, tree.spans.items()), (_is_secret_key, tree.key_spans))
        for path, span in found
        if any((span.file, line) in lines for line in range(span.line, span.end_line + 1)) and is_hidden(path, tree)
    ]
    return [
        replace(
            problem,
            message=mask_urls(problem.message),
            hint=mask_urls(problem.hint),
            source=mask_urls(_mask(problem, spans)),
        )
        for problem in problems
    ]


def mask_urls(text: str) -> str:
    """`text` with stars for the passwords of URLs."""
    return _URL_PASSWORD.sub(lambda found: found[1] + "*" * len(found[2]), text)


def mask_text(source: str) -> str:
    """A line that could not be read, with stars for all but its keys, references and punctuation."""
    shown = _UNREAD.sub(lambda found: found["shown"] or "*" * len(found[0]), source)
    return _ASSIGNED.sub(lambda found: found[1] + "*" * len(found[2]), shown)


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
