"""A stream that we dialled: it knows what its host can do, and notices when that host falls silent."""

from __future__ import annotations

import time

from .channel import Channel
from .flow import Flags, FlowLimits
from .frames import Frame
from .opened import Opened
from .reach import SILENT_S, Reach
from .stream import LOST, ZitiStream

_QUIET_S = 1.0  # without a word of the host, while somebody waits for one
_GONE_S, _ASKED_S = 4.0, 2.6  # without a word of the host, the latter since it was asked for one
_REST_S = 2.0  # unused: what it is used for next is to be acknowledged soon
_AT_ONCE_S = 0.1  # from being found fit to being used
_SLOW = "what came was not read in time, and its sender's other streams stood still for it"


class DialledStream(ZitiStream):
    """One circuit that we opened. Begins with limits for any host, and goes on with `known` once it is one of ours."""

    __slots__ = ("_fit_at", "_full_since", "_heard_at", "_known", "_ours", "_reach", "_stall_s", "terminator")

    def __init__(
        self, channel: Channel, opened: Opened, limits: FlowLimits, peer: str, *, known: FlowLimits, reach: Reach
    ) -> None:
        """`limits.stall_s`: how long a host that is none of ours can be asked to wait. `reach`: of its service."""
        super().__init__(channel, opened, limits, peer)
        self.terminator = opened.host
        self._known, self._reach = known, reach
        self._ours = False  # it said that it has a flow control of its own
        self._stall_s, self._full_since = limits.stall_s, 0.0
        self._heard_at = self._fit_at = time.monotonic()

    @property
    def heard_at(self) -> float:
        """When the last word of the host came, a time of time.monotonic()."""
        return max(self._heard_at, self._sender.heard_at)

    def is_quiet(self, now: float) -> bool:
        """Whether somebody waits for a host of ours that said nothing for a while, and was not asked either."""
        waits = self._ours and self._readable.is_awaited and self._sender.settled
        return waits and not self._ended_at and (self._reach.silent or now - self.heard_at > _QUIET_S)

    def ask(self) -> None:
        """Ask the host for a sign of life: a payload with nothing in it, to be acknowledged. Never waits."""
        self._push(b"")

    def is_idle(self) -> bool:
        """Whether it can be used again; not while its host is silent."""
        if not super().is_idle() or not self._reach.vouches_for(self.heard_at):
            return False
        self._fit_at = time.monotonic()
        return True

    def on_payload(self, frame: Frame) -> None:
        """A payload of our circuit."""
        self._heard_at = time.monotonic()
        super().on_payload(frame)
        if self._stall_s and self._receiver.full:
            self._channel.watch(self)

    def on_ack(self, frame: Frame) -> None:
        """An acknowledgement of our circuit."""
        super().on_ack(frame)
        if self._reach.silent:
            self._reach.heard()

    def _accept(self, flags: int, body: bytes, size: int = 0) -> None:
        if flags & Flags.WAITS:
            self._ours, self._receiver.limits, self._stall_s = True, self._known, 0.0
        super()._accept(flags, body, size)

    def _give_up(self) -> None:
        super()._give_up()
        if self._stall_s:  # what it holds back holds up the other streams of its host until the circuit is gone
            self._forget()

    def _why_hopeless(self, now: float) -> str:
        if self._is_stalled(now):
            return _SLOW
        since = self._sender.unanswered_since
        if since is not None and not self._sender.peer_full and now - since > self._patience_s:
            self._reach.unanswered(since, now)
            if self._was_at_rest(since) or (now - self.heard_at > _GONE_S and now - since > _ASKED_S):
                return LOST
        return super()._why_hopeless(now)

    @property
    def _patience_s(self) -> float:
        return max(SILENT_S, 2 * self._sender.again_s)

    def _was_at_rest(self, since: float) -> bool:
        """Whether what is unanswered since then is the first that it was used for after a rest."""
        return since - self.heard_at > _REST_S and 0 <= since - self._fit_at < _AT_ONCE_S

    def _is_stalled(self, now: float) -> bool:
        """Whether we stand full for longer than a peer without flow control of its own can be asked to wait."""
        if not self._stall_s or not self._receiver.full:
            self._full_since = 0.0
        elif not self._full_since:
            self._full_since = now
        return bool(self._full_since) and now - self._full_since > self._stall_s
