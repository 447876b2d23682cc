"""What a router's answer to a dial means. Source: openziti 1.6 controller/network, router/xgress_edge."""

from __future__ import annotations

from .frames import Frame, Key, Refusal

_STALE = frozenset([Refusal.INVALID_API_SESSION, Refusal.INVALID_SESSION, Refusal.INVALID_ROUTER])
_ABSENT = ("no terminators", "no online terminators", "dial failed", "exceeded maximum", "invalid terminator")
_UNKNOWN = ("service not found", "invalid service", "access denied", "not authorized")


def words_of(answer: Frame) -> str:
    """Its reason, as text."""
    return answer.body.decode("utf-8", "replace")


def is_stale(answer: Frame) -> bool:
    """Whether a fresh session may help."""
    return answer.number(Key.ERROR) in _STALE or "invalid session" in words_of(answer).lower()


def is_absent(answer: Frame) -> bool:
    """Whether the service is there, and nobody serves it."""
    return any(each in words_of(answer).lower() for each in _ABSENT)


def is_unknown(answer: Frame) -> bool:
    """Whether there is no such service, or it is not ours."""
    return answer.number(Key.ERROR) == Refusal.INVALID_SERVICE or any(
        each in words_of(answer).lower() for each in _UNKNOWN
    )
