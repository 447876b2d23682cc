"""Those who serve a share: who gets the next request, and who is left out because requests failed there.

A terminator that failed a few times in a row is left out. After a rest one request that could be repeated elsewhere
tries it, and when that is answered it is in again. Where nobody else is left, it gets one request a second.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from zrokd.errors import OverlayError, Unavailable

_NEVER = float("-inf")
_LOOK_S = 5.0  # how long the overlay's word holds about who serves a share
_LOOK_AGAIN_S = 0.2  # when nobody of those known is fit
_LAST_RESORT_S = 1.0
_FORGET_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """When a terminator is left out, and for how long."""

    failures: int  # in a row
    rest_s: float


class Terminator:
    """One who serves a share, as far as requests tell."""

    __slots__ = ("busy", "failures", "name", "out", "token", "tried_s", "turn", "used_s")

    def __init__(self, token: str, name: str) -> None:
        self.token, self.name = token, name
        self.busy = 0  # requests and tunnels now
        self.failures = 0  # in a row
        self.out = False
        self.tried_s = 0.0  # while it is out: when it failed or was tried last
        self.turn, self.used_s = 0, 0.0  # when it was chosen last, among all and by the clock

    def __str__(self) -> str:
        return f"terminator {self.name}" if self.name else "whoever serves it"


@dataclass(slots=True)
class _Share:
    """Whom the overlay names; beside them, who was reached otherwise."""

    ends: dict[str, Terminator]
    named: Sequence[Terminator] = ()
    looked_s: float = _NEVER


class Terminators:
    """Chooses among those who serve a share, the one with the least in flight. Never switches greenlets."""

    def __init__(
        self,
        names: Callable[[str], Sequence[str]],
        limits: BreakerLimits,
        *,
        log: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`names(token)`: who can be dialled by name now; nobody where the overlay chooses."""
        self.limits = limits
        self._names, self._log, self._clock = names, log, clock
        self._shares: dict[str, _Share] = {}
        self._turns = 0

    def choose(
        self, token: str, warm: Iterable[Terminator], *, spare: bool, but: Terminator | None = None
    ) -> Terminator:
        """The one for the next request; without a name, the overlay is to choose.

        `warm`: to whom there are unused streams. `spare`: the request can go to another when this one fails it. `but`:
        not there, when there is another.
        :raises Unavailable: all are left out, and were tried a moment ago.
        """
        now_s = self._clock()
        share = self._share(token)
        known, since_s = share.named, now_s - share.looked_s
        all_out = known and known[0].out and all(end.out for end in known)
        if since_s >= _LOOK_S or (all_out and since_s >= _LOOK_AGAIN_S):
            known = self._look(token, share, now_s)
        if not known:
            known = [end for end in warm if not end.out] or [self.reached(token, "")]
        only = known[0] if len(known) == 1 else None
        end = self._chosen(known, now_s, spare, but) if only is None or only.out else only
        self._turns += 1
        end.turn, end.used_s = self._turns, now_s
        return end

    def _chosen(self, known: Sequence[Terminator], now_s: float, spare: bool, but: Terminator | None) -> Terminator:  # noqa: FBT001
        fit = [end for end in known if not end.out and end is not but]
        rested = [end for end in known if end.out and now_s - end.tried_s >= self.limits.rest_s and end is not but]
        if rested and spare and fit:
            return self._tried(rested[0], now_s)
        if fit:
            return min(fit, key=_load)
        if but is not None and not but.out:
            return but
        last = [end for end in known if end.out and now_s - end.tried_s >= _LAST_RESORT_S]
        if not last:
            raise Unavailable("whoever serves this share fails, and was asked a moment ago", _LAST_RESORT_S)
        return self._tried(min(last, key=_tried_s), now_s)

    def reached(self, token: str, name: str) -> Terminator:
        """The terminator of this name, where the overlay chose it."""
        ends = self._share(token).ends
        end = ends.get(name)
        if end is None:
            end = ends[name] = Terminator(token, name)
        return end

    def others(self, end: Terminator) -> bool:
        """Whether another than this one might serve a request now."""
        return any(not other.out and other is not end and other.name for other in self._share(end.token).ends.values())

    def answered(self, end: Terminator) -> None:
        """It answered a request, or took a stream and that is all we can know."""
        end.failures = 0
        if end.out:
            end.out = False
            self._log.info("share %s: %s answers again", end.token, end)

    def failed(self, end: Terminator, why: str) -> bool:
        """A dial or a request failed there. Whether it is left out from now on, and was not before."""
        end.failures += 1
        end.tried_s = self._clock()
        if end.out or end.failures < self.limits.failures:
            return False
        end.out = True
        self._log.warning(
            "share %s: %s is left out until it answers again, after %d failures in a row: %s",
            end.token, end, end.failures, why,
        )  # fmt: skip
        return True

    def is_resting(self, end: Terminator) -> bool:
        """Whether it is left out and it is not yet time to try it; when it is, this is the try."""
        now_s = self._clock()
        if end.out and now_s - end.tried_s < self.limits.rest_s:
            return True
        if end.out:
            self._tried(end, now_s)
        return False

    def gone(self, end: Terminator) -> None:
        """Nobody serves the share under this name any more."""
        share = self._share(end.token)
        share.named = [other for other in share.named if other.name != end.name]
        share.ends.pop(end.name, None)
        if not share.named:
            share.looked_s = _NEVER

    def sweep(self) -> None:
        """Forget whom nobody used for a minute. To be called every few seconds."""
        until_s = self._clock() - _FORGET_S
        for token, share in tuple(self._shares.items()):
            if all(not end.busy and max(end.used_s, end.tried_s) <= until_s for end in share.ends.values()):
                del self._shares[token]

    def _share(self, token: str) -> _Share:
        share = self._shares.get(token)
        if share is None:
            share = self._shares[token] = _Share({})
        return share

    def _look(self, token: str, share: _Share, now_s: float) -> Sequence[Terminator]:
        """Those whom the overlay names now."""
        share.looked_s = now_s
        try:
            names = tuple(self._names(token))
        except OverlayError:
            names = ()  # a dial will tell what is wrong
        share.named = [self.reached(token, name) for name in names]
        for name in [name for name, end in share.ends.items() if name not in names and _is_done(end, now_s)]:
            del share.ends[name]
        return share.named

    def _tried(self, end: Terminator, now_s: float) -> Terminator:
        end.tried_s = now_s
        return end


def _load(end: Terminator) -> tuple[int, int]:
    return end.busy, end.turn


def _tried_s(end: Terminator) -> float:
    return end.tried_s


def _is_done(end: Terminator, now_s: float) -> bool:
    return not end.busy and max(end.used_s, end.tried_s) <= now_s - _FORGET_S
