"""Tells whether each share is reached: the controller, and in a file who asks on this host."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from zrokd.client.binds import BindsFile
from zrokd.contracts import Context
from zrokd.errors import NotFound, Unavailable, ZrokdError
from zrokd.model.bind import Bind, BindReport, Reach
from zrokd.model.naming import new_token

from .office import Office
from .supervisor import Supervisor

_LOOK_S = 0.5
_PAUSE_S = 2.0  # after a failure
_ALIVE_S = 4.0  # the controller takes nine seconds of silence for the end
_UNHEARD_S = 60.0  # before a controller that does not know this call is asked again
_MOST, _MOST_GONE = 1000, 100  # in one report
_ENDED = "its backend ended"


@dataclass(frozen=True, slots=True)
class Seen:
    """How a share stood when it was looked at. Times are of time.monotonic(); `proven_at` 0: never."""

    label: str
    token: str
    ends: int
    why: str
    since: float
    proven_at: float

    def is_news(self, told: Seen | None) -> bool:
        """Whether it says anything else than what was told."""
        if told is None:
            return True
        return (self.ends, self.why, self.proven_at > 0) != (told.ends, told.why, told.proven_at > 0)


class Reporter:
    """Of one backend. What changes is told at once, and that we live every few seconds."""

    def __init__(
        self, supervisors: Callable[[], Iterable[Supervisor]], office: Office, file: BindsFile, ctx: Context
    ) -> None:
        self._supervisors, self._office, self._file, self._ctx = supervisors, office, file, ctx
        self._key = new_token()
        self._z_id = ""  # of the environment that was told of
        self._seen: dict[str, Seen] = {}  # by the key of the share, as they stand
        self._told: dict[str, Seen] = {}  # by token, as the controller has it
        self._known = False  # whether the controller has anything of us
        self._wrote_at = self._told_at = 0.0
        self._mute_until = 0.0
        self._trouble = ""

    def run(self) -> None:
        """For ever; ends by being killed. Switches greenlets."""
        while True:
            self.tell(time.monotonic())
            time.sleep(_LOOK_S)

    def tell(self, now: float) -> None:
        """Look, and tell what is due. Switches greenlets."""
        before = self._seen
        self._seen = {one.key: self._look(one, now) for one in self._supervisors()}
        changed = self._seen.keys() != before.keys() or any(
            seen.is_news(before.get(key)) for key, seen in self._seen.items()
        )
        if changed or now - self._wrote_at >= _ALIVE_S:
            self._wrote_at = now
            self._write(now)
        if now >= self._mute_until:
            self._report(now)

    def end(self) -> None:
        """Tell the controller that nothing is served any more. Switches greenlets."""
        now = time.monotonic()
        self._seen = {
            key: replace(seen, ends=0, why=_ENDED, since=now) for key, seen in self._seen.items() if not seen.why
        }
        if self._known:
            self._report(now)

    def close(self) -> None:
        """Take the file away. Idempotent. Switches greenlets."""
        try:
            self._ctx.offload(self._file.remove)
        except OSError as error:
            self._ctx.log.debug("what was told of the shares stays there: %s", error)

    # -- looking ---

    def _look(self, one: Supervisor, now: float) -> Seen:
        why, proof, before = one.trouble, one.proof, self._seen.get(one.key)
        same = before is not None and bool(before.why) == bool(why)
        proven_at = now - proof.age_s if proof.age_s is not None else 0.0
        return Seen(
            label=one.share.label,
            token=one.token,
            ends=proof.ends,
            why=why,
            since=before.since if before is not None and same else now,
            proven_at=max(proven_at, before.proven_at if before is not None else 0.0),
        )

    # -- the controller ---

    def _report(self, now: float) -> None:
        wanted = {seen.token: seen for seen in self._seen.values() if seen.token}
        if self._z_id != self._office.z_id:
            self._z_id, self._told, self._known = self._office.z_id, {}, False
        news = [seen for token, seen in wanted.items() if seen.is_news(self._told.get(token))]
        gone = [token for token in self._told if token not in wanted]
        if not (news or gone or now - self._told_at >= _ALIVE_S):
            return
        try:
            for report in self._reports(news, gone, list(wanted.values()), now):
                if self._office.controller.report_binds(report):
                    self._told, self._known = {}, False  # and all of it in the next turn
                    return
                self._note(report, wanted)
        except NotFound:  # zrok's own controller, or one that has forgotten the environment
            self._mute_until = now + _UNHEARD_S
        except ZrokdError as error:
            self._mute_until = now + _PAUSE_S
            if isinstance(error, Unavailable):
                self._office.link.lost(str(error))
            elif str(error) != self._trouble:
                self._ctx.log.debug("the controller is not told how the shares stand: %s", error)
            self._trouble = str(error)
        else:
            self._told_at, self._trouble = now, ""
            self._office.link.back()

    def _note(self, report: BindReport, wanted: dict[str, Seen]) -> None:
        self._known = True
        self._told.update({bind.share_token: wanted[bind.share_token] for bind in report.binds})
        for token in report.gone:
            self._told.pop(token, None)

    def _reports(self, news: list[Seen], gone: list[str], every: list[Seen], now: float) -> Iterator[BindReport]:
        """All of it, in as many as it takes; one at least, which tells that we live."""
        binds, left = iter([_bind(seen, now) for seen in news]), iter(gone)
        ages = [now - seen.proven_at for seen in every if seen.proven_at and not seen.why]
        whole = not self._known
        while True:
            some, over = tuple(islice(binds, _MOST)), tuple(islice(left, _MOST_GONE))
            if not (some or over or now - self._told_at >= _ALIVE_S or whole):
                return
            yield BindReport(
                env_z_id=self._z_id,
                backend=self._key,
                binds=some,
                gone=over,
                whole=whole,
                proven_s=max(ages, default=None),
            )
            whole = False
            if len(some) < _MOST and len(over) < _MOST_GONE:
                return

    # -- this host ---

    def _write(self, now: float) -> None:
        ahead = time.time() - now
        document = {
            "version": 1,
            "process": os.getpid(),
            "at": round(time.time(), 3),
            "shares": [
                {
                    "share": seen.label,
                    "token": seen.token,
                    "state": (Reach.BROKEN if seen.why else Reach.BOUND).value,
                    "why": seen.why,
                    "since": round(seen.since + ahead, 3),
                    "proven_at": round(seen.proven_at + ahead, 3) if seen.proven_at else None,
                    "ends": seen.ends,
                }
                for seen in self._seen.values()
            ],
        }
        try:
            self._ctx.offload(self._file.write, document)
        except OSError as error:
            self._ctx.log.debug("zrokd status does not see these shares: %s", error)


def _bind(seen: Seen, now: float) -> Bind:
    return Bind(
        share_token=seen.token,
        ends=seen.ends,
        why=seen.why,
        since_s=max(now - seen.since, 0.0),
        proven_s=round(max(now - seen.proven_at, 0.0), 3) if seen.proven_at else None,
    )
