"""The exception tree. Whose fault an error is stands in its type; its text says what, which and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ZrokdError(Exception):
    """Everything zrokd raises on purpose. `str()` is one sentence fit for the person who caused it."""


# -- the operator's fault: the daemon does not start, or keeps its old state ---


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration file, with its place. `line` and `column` count from 1."""

    message: str
    path: str = ""  # dotted key path, e.g. "roles.frontend.listen"
    file: str = ""
    line: int = 0
    column: int = 0
    source: str = ""  # the offending line as written, secrets included: print it, never log it
    hint: str = ""  # "did you mean 'timeout'?"


class ConfigError(ZrokdError):
    """The configuration cannot be used. Carries every mistake found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(_one_line(p) for p in self.problems))


def _one_line(problem: Problem) -> str:
    place = (
        f"{problem.file}:{problem.line}:{problem.column}: "
        if problem.line
        else f"{problem.file}: " * bool(problem.file)
    )
    path = f"{problem.path}: " if problem.path else ""
    hint = f"; {problem.hint}" if problem.hint else ""
    return f"{place}{path}{problem.message}{hint}"


class PluginError(ZrokdError):
    """A plugin is missing, doubled, misspelt or broken. Names slot, plugin and distribution."""


class StartError(ZrokdError):
    """The daemon cannot take what it needs from the machine: a port, the state directory, its lock."""


class RestartNeeded(ZrokdError):
    """A reload would change keys that only a restart can change. The old state stays."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(keys)
        super().__init__(f"needs a restart to change: {', '.join(self.keys)}")


# -- the caller's fault ---


class Invalid(ZrokdError):
    """The input breaks a rule; the text says which."""


class Misused(Invalid):
    """What a person gave can be right nowhere: that is seen before anybody is asked."""


class BadName(Invalid):
    """A name or token that can be none; the text says the rule."""


class WeakPassword(Invalid):
    """A new password that is too easy to guess; the text says the rule."""


class Denied(ZrokdError):
    """Credentials are missing, wrong or not enough. The text never says which part was wrong."""


class NotEnough(Denied):
    """Credentials are good, and not for this; the text says what is."""


class NotFound(ZrokdError):
    """No such thing, or not yours: the two are told in the same words."""


class Conflict(ZrokdError):
    """It exists already, or is in use."""


class KeyReused(Invalid):
    """A key that stands for one request came with another."""


class LimitReached(ZrokdError):
    """The account may not have more of these now."""


class TooMany(ZrokdError):
    """Too many attempts. `retry_after_s` says in how many seconds the next one counts."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


# -- nobody's fault here: try again ---


class Unavailable(ZrokdError):
    """A part we depend on does not answer now. `retry_after_s` is our advice in seconds."""

    def __init__(self, message: str, retry_after_s: float = 2.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class UsedUp(Unavailable):
    """A share has had all the bytes that it may have for now. The period that counts is longer than any advice."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after_s=300.0)


class AgentAway(ZrokdError):
    """The agent of an environment does not answer, or does not do what it was asked; the text says why."""


class CallFailed(ZrokdError):
    """The other end of a remote call refuses it, in these words. `code` is gRPC's."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


class StoreError(Unavailable):
    """The database is down, locked or full."""


class StoreLocked(StoreError):
    """Somebody else holds the database."""


class StoreUnfit(StoreError):
    """The database takes no changes until its operator sees to it: full, read-only, damaged."""


class OverlayError(Unavailable):
    """The overlay refused or failed."""


class OverlayTimeout(OverlayError):
    """The overlay did not answer in time."""


class UnknownService(OverlayError):
    """No such service on the overlay, or not ours to see."""


class NoTerminator(OverlayError):
    """The service exists, and nobody serves it now."""


# -- bytes ---


class StreamError(ZrokdError):
    """A stream broke: reset, refused, unreachable."""


class StreamClosed(StreamError):
    """The stream was closed on our side."""


class StreamTimeout(StreamError):
    """The peer made no progress within the limit."""


class MessageError(ZrokdError):
    """An HTTP message breaks the protocol or a limit. `status` is what its sender is told."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)
