"""One share: offer it, bind it, serve it, and begin again when something is lost."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import NoReturn

from zrokd.client.backoff import Backoff
from zrokd.contracts import ACCESS, Caller, Context, Listener, Mode, Proof, Stream, Task
from zrokd.errors import (
    Conflict,
    Denied,
    Invalid,
    LimitReached,
    NotFound,
    OverlayError,
    StreamClosed,
    StreamError,
    Unavailable,
    ZrokdError,
)
from zrokd.net.faults import faults, within
from zrokd.net.meter import Metered

from .office import Offer, Office
from .settings import BackendSettings, ShareSettings
from .tally import Tally
from .turned_away import turn_away
from .verify import ask, ask_until

_SLOW_S = 30.0  # between two tries when the controller said no
_LONGEST_S = 5.0  # between two tries when it said nothing
_OFFER_END_S = 2.0  # at the end, for a call to a controller that is silent
_LATE_DRAIN_S = 1.0  # beyond the limit that a mode was told
_LATE_S = 60.0  # how long we go on to ask a public URL that did not answer in time


class State(StrEnum):
    """Where a share stands."""

    STARTING = "starting"
    BOUND = "bound"
    WAITING = "waiting"  # something is away, or said no: we try again
    REFUSED = "refused"  # it breaks a rule: nothing is tried until the settings change
    STOPPED = "stopped"


class Supervisor:
    """Keeps one share bound from `start` to `stop`. Everything it does may switch greenlets."""

    def __init__(
        self,
        key: str,
        share: ShareSettings,
        mode: Mode,
        office: Office,
        tally: Tally,
        settings: Callable[[], BackendSettings],
        renew: Callable[[str], bool],
        ctx: Context,
    ) -> None:
        """`settings` gives the backend's settings as they are now; `renew` see BackendRole."""
        self.key, self.share, self.mode = key, share, mode
        self.state = State.STARTING
        self.reason = ""  # why it is not bound
        self.token = ""  # once the controller knows it
        self.bound = threading.Event()
        self.tried = threading.Event()  # once: it is bound, or why not
        self.offer: Offer | None = None  # as the controller made it last
        self.failure: type[ZrokdError] | None = None  # of `reason`; the error itself would hold its connection open
        self.failed = 0  # how often, since it was
        self._office, self._settings, self._renew, self._ctx, self._log = office, settings, renew, ctx, ctx.log
        self._tally = tally
        self._backoff = Backoff(limit_s=_LONGEST_S)
        self._stopping = threading.Event()
        self._room = threading.Semaphore(settings().max_streams)
        self._streams: dict[Stream, Task] = {}
        self._listener: Listener | None = None
        self._task: Task | None = None

    @property
    def trouble(self) -> str:
        """Why visitors do not reach it now; "" when they do, as far as we know."""
        if self.state != State.BOUND or self._listener is None:
            return self.reason or self.state
        health = self._listener.health()
        return "" if health.ok else health.detail

    @property
    def proof(self) -> Proof:
        """What its being reached rests on."""
        if self.state != State.BOUND or self._listener is None:
            return Proof(ends=0)
        return self._listener.proof()

    def start(self) -> None:
        """Begin, and return."""
        self._task = self._ctx.spawn(self._run, name=self.share.title)

    # -- the loop ---

    def _run(self) -> None:
        self._ctx.spawn(self._warn_of_target, name=f"probe {self.share.label}")
        while not self._stopping.is_set():
            environment = self._office.z_id
            try:
                offer = self._office.offer(self.key, self.share, lasts=not self._settings().release_on_exit)
                self.token = self.mode.share_token = offer.token
                self.mode.public = not self.share.private
                listener = self._office.node.bind(offer.token)
            except ZrokdError as error:
                if self._stopping.is_set():
                    return
                if isinstance(error, NotFound) and self._renew(environment):
                    continue
                if not self._try_later(error):
                    return
            except faults() as error:
                self._log.exception("%s cannot be offered, in a way nobody foresaw", self.share.title)
                self._try_later(OverlayError(f"{type(error).__name__}: {error}"))
            else:
                if not self._serve(offer, listener):
                    return

    def _warn_of_target(self) -> None:
        reason, title = self.mode.probe(), self.share.title
        if reason:
            self._log.warning("%s: %s; it is shared all the same, and works once that is mended", title, reason)

    def _try_later(self, error: ZrokdError) -> bool:
        """Wait after a failure; whether to try again at all."""
        self.failure, self.failed = type(error), self.failed + 1
        no = isinstance(error, Conflict | Denied | Invalid | NotFound | LimitReached)
        if no and (self.share.required or isinstance(error, Invalid)):
            self._refuse(type(error)(f"{self.share.title} is refused: {error}"))
            return False
        if isinstance(error, Unavailable) and not isinstance(error, OverlayError):
            self._office.link.lost(str(error))
        elif str(error) != self.reason:
            self._log.warning("%s cannot be offered now, and we keep trying: %s", self.share.title, error)
        self._stand(State.WAITING, str(error))
        self._stopping.wait(_SLOW_S if no else self._backoff.next_s())
        return True

    def _refuse(self, error: ZrokdError) -> None:
        self._stand(State.REFUSED, str(error))
        if self.share.required:
            self._ctx.fail(error)
        else:
            self._log.error("%s", error)

    def _stand(self, state: State, reason: str = "") -> None:
        self.state, self.reason = state, reason
        if state is State.BOUND:
            self.bound.set()
        else:
            self.bound.clear()
        self.tried.set()

    # -- serving ---

    def _serve(self, offer: Offer, listener: Listener) -> bool:
        """Serve it until it is stopped or lost; whether to offer it again."""
        self._listener = listener
        if self._stopping.is_set():  # meanwhile
            listener.close()
            return False
        self._backoff.reset()
        self.offer, self.failure, self.failed = offer, None, 0
        self._stand(State.BOUND)
        self._log.info("%s is bound as %s", self.share.title, offer.token)
        announcing = self._ctx.spawn(self._announce, offer, name=f"verify {self.share.label}")
        try:
            self._accept(listener)
        except StreamClosed:
            self._stand(State.STOPPED)
            return False
        except OverlayError as error:
            self._stand(State.WAITING, str(error))
            return self._try_again(offer, str(error))
        finally:
            announcing.kill()
            listener.close()

    def _try_again(self, offer: Offer, reason: str) -> bool:
        """Tell that a share is not bound any more; whether to offer it again."""
        deleted = self._is_deleted(offer.token)
        if deleted:
            self._cut()
        if deleted and self.share.required:
            self._refuse(NotFound(f"share {offer.token} was deleted, so there is nothing left to do here"))
            return False
        told = "was deleted; it stands in this daemon's configuration, so it is offered again" if deleted else ""
        told = told or f"was lost, and is offered again: {reason}"
        self._log.warning("%s (%s) %s", self.share.title, offer.token, told)
        self._ctx.hooks.on_share_lost(offer.token, "it was deleted" if deleted else reason)
        return True

    def _is_deleted(self, token: str) -> bool:
        try:
            return not self._office.knows(token)
        except Denied:
            return True  # with its account, or to us
        except ZrokdError:
            return False  # who offers it again will see

    def _cut(self) -> None:
        """Who is inside of a share that ended must not stay: an overlay may leave open what it opened."""
        for stream in list(self._streams):
            stream.abort()

    def _accept(self, listener: Listener) -> NoReturn:
        while True:  # until the listener says that it was closed, and nobody waits in it any more
            self._room.acquire()
            try:
                stream, caller = listener.accept()
            except BaseException:
                self._room.release()
                raise
            self._streams[stream] = self._ctx.spawn(self._answer, stream, caller, name=f"visitor of {self.share.title}")

    def _answer(self, stream: Stream, caller: Caller) -> None:
        try:
            if self._is_limited:
                turn_away(stream, http=self.mode.http)
            else:
                self.mode.serve(self._counted(stream, caller), caller)
        except StreamError as error:
            self._log.debug("%s: a connection ended early: %s", self.share.title, error)
        finally:
            stream.close()
            self._streams.pop(stream, None)
            self._room.release()

    @property
    def _is_limited(self) -> bool:
        return self.mode.share_token in self._tally.limited

    def _counted(self, stream: Stream, caller: Caller) -> Stream:
        """What a frontend counts of a public share is not counted here, too."""
        if not self.share.private and caller.said != ACCESS:
            return stream
        return Metered(stream, partial(self._tally.meter.add, self.mode.share_token))

    def heed(self, limited: frozenset[str]) -> None:
        """These shares let nobody in: when this is one of them, end the connections that run. Does not switch."""
        if self.mode.share_token in limited:
            self._log.warning("%s has used up its bytes, so it lets nobody in for now", self.share.title)
            for stream in list(self._streams):
                stream.abort()

    def _announce(self, offer: Offer) -> None:
        hooks, settings = self._ctx.hooks, self._settings()
        if not (offer.urls and self.mode.http and settings.verify):
            hooks.on_share_ready(offer.token, offer.urls, verified=not offer.urls)
            return
        ask_one = partial(ask, token=offer.token, gated=self.share.gated)
        try:
            reason = ask_until(offer.urls, time.monotonic() + settings.verify_timeout, ask_one)
        except NotFound as error:
            self._lacks_gate(offer, str(error))
            return
        hooks.on_share_ready(offer.token, offer.urls, verified=not reason)
        if not reason or self._stopping.is_set():
            return
        self._log.warning("%s is bound, but its public address does not lead here: %s", self.share.title, reason)
        with contextlib.suppress(NotFound):
            reason = ask_until(offer.urls, time.monotonic() + _LATE_S, ask_one)
        if not reason:
            self._log.info("%s can be reached now", self.share.title)
            hooks.on_share_ready(offer.token, offer.urls, verified=True)

    def _lacks_gate(self, offer: Offer, reason: str) -> None:
        """Where a person waits for it, a share that nobody can reach is none."""
        gate = self.share.gate or "basic"
        told = f"{self.share.title} can be reached by nobody, as the frontend has no gate {gate!r}: {reason}"
        if self.share.required:
            self._refuse(NotFound(told))
            return
        self._log.warning("%s", told)
        self._ctx.hooks.on_share_ready(offer.token, offer.urls, verified=False)

    # -- the end ---

    def stop(self) -> None:
        """Unbind and try no more; connections that run go on. Idempotent."""
        self._stopping.set()
        self._stand(State.STOPPED)
        if self._listener is not None:
            self._listener.close()

    def drain(self, deadline_s: float) -> None:
        """After `stop`: let connections end, and cut what still runs after `deadline_s` seconds."""
        until = time.monotonic() + deadline_s
        try:
            within(deadline_s + _LATE_DRAIN_S, self.mode.drain, deadline_s)
        except faults():
            self._log.exception("%s: its mode could not be drained; its connections are cut", self.share.title)
            until = time.monotonic()
        for stream, task in list(self._streams.items()):
            if not task.join(max(0.0, until - time.monotonic())):
                stream.abort()
        limit_s = min(max(0.1, until - time.monotonic()), _OFFER_END_S)
        if self._task is not None and not self._task.join(limit_s):
            self._task.kill()

    @property
    def active(self) -> int:
        """Connections served now."""
        return len(self._streams)
