"""Mistakes of a command line in its own words: people who share write no YAML, and see no requests."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

import click

from zrokd.errors import BadName, ConfigError, NotFound, Problem
from zrokd.model.naming import check_name

_KEY = re.compile(r"`(\w+)(?:: \w+)?`")


@contextlib.contextmanager
def in_words_of(flags: Mapping[str, str], mode: str = "") -> Iterator[None]:
    """Around the making of a configuration from `flags`: key -> what it is called on the command line.

    :raises click.UsageError: what is wrong with them. :raises ConfigError: it is about something else.
    """
    try:
        yield
    except ConfigError as error:
        told = dict.fromkeys(_told(problem, flags, mode) for problem in error.problems)
        if "" in told:
            raise
        raise click.UsageError("; ".join(told)) from error


def valid_name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """The callback of an argument that is a name. :raises click.UsageError: there can be none; says the rule."""
    try:
        return check_name(value)
    except BadName as error:
        raise click.UsageError(str(error)) from error


@contextlib.contextmanager
def asked_for(**things: str) -> Iterator[None]:
    """Around calls that name `things` (share="abc"): who is told that there is none, is told which.

    :raises NotFound: inside; with its name.
    """
    try:
        yield
    except NotFound as error:
        which = things.get(str(error).removeprefix("no such "), "")
        raise NotFound(f"{error}: {which}" if which else str(error)) from error


def in_flags(text: str, flags: Mapping[str, str]) -> str:
    """`text` with keys in backticks (`insecure: true`) as what they are called on the command line."""
    return _KEY.sub(lambda found: flags.get(found[1], found[0]), text)


def _told(problem: Problem, flags: Mapping[str, str], mode: str) -> str:
    key = problem.path.rpartition("].")[2].partition("[")[0].partition(".")[0]
    flag = flags.get(key, "")
    if not flag:
        return ""
    if problem.message == f"the key {key!r} is missing":
        return f"{flag} is missing; mode {mode} needs it"
    if problem.message == f"unknown key {key!r}":
        return f"mode {mode} takes no {flag}"
    return f"{flag}: {problem.message}" + (f"; {problem.hint}" if problem.hint else "")
