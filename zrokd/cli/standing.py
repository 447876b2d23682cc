"""Whether shares are reached, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zrokd.errors import NotFound
from zrokd.model.bind import Reach, Standing

if TYPE_CHECKING:
    from zrokd.client.controller import Controller

_SILENT_S = 10.0  # a backend writes every four seconds


def ask(controller: Controller) -> dict[str, Standing]:
    """How the account's shares stand, by token; {} where the controller does not know the question."""
    try:
        return {one.share_token: one for one in controller.list_binds()}
    except NotFound:
        return {}


def sentence(one: Standing, now_s: float) -> str:
    """What the controller knows of a share, at the Unix time `now_s`."""
    if one.reach is Reach.UNKNOWN:
        return "not known whether it is reached: no backend tells"
    return _sentence(one.reach, one.why, one.since_ms / 1000, one.proven_at_ms / 1000, one.ends, now_s)


def of_backends(backends: Sequence[Mapping[str, Any]], now_s: float) -> Iterator[str]:
    """What the backends of this host tell of their shares, a line each."""
    for backend in backends:
        silent_s = now_s - _number(backend.get("at"))
        if silent_s > _SILENT_S:
            yield f"process {backend.get('process')} has said nothing for {span(silent_s)}; what follows is old"
        shares = backend.get("shares")
        for share in shares if isinstance(shares, list) else ():
            yield f"share {share.get('share'):15} {_of(share, now_s)}"


def _of(share: Mapping[str, Any], now_s: float) -> str:
    since, proven_at = _number(share.get("since")), _number(share.get("proven_at"))
    why, ends = str(share.get("why") or ""), int(_number(share.get("ends")))
    return _sentence(str(share.get("state")), why, since, proven_at, ends, now_s)


def _sentence(state: str, why: str, since: float, proven_at: float, ends: int, now_s: float) -> str:
    told = f"{state} for {span(now_s - since)}"
    if why:
        return f"{told}: {why}"
    proven = f", dialled {span(now_s - proven_at)} ago" if proven_at else ""
    return f"{told} at {ends} {'end' if ends == 1 else 'ends'}{proven}"


def span(seconds: float) -> str:
    """A time in the largest unit that has two of it: 90 s, 12 min, 47 h, 9 days."""
    seconds = max(seconds, 0.0)
    for unit_s, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
