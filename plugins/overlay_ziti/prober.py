"""Dials what we bind, as visitors do: nothing else proves that they reach it."""

from __future__ import annotations

import logging
import time
from collections import defaultdict, deque
from collections.abc import Collection

import gevent

from zrokd.errors import OverlayError, UnknownService

from .channel import Spawn
from .crypto import METHOD, KeyPair
from .edge import EdgeApi
from .frames import Frame, Key, Kind, u32
from .listener import PROBE, Bind, ZitiListener
from .pace import Pace
from .refusals import is_absent, is_stale, words_of
from .settings import EdgeSettings

_ROUND_S = 0.2
_AGAIN_S = 1.0  # after one that failed


class Prober:
    """Of one node. A bind over which somebody dialled a moment ago is not asked, and all cost no more than a limit.

    Bytes on a stream that is open prove nothing: it goes on when the network has long forgotten the bind.
    """

    def __init__(
        self,
        listeners: Collection[ZitiListener],
        api: EdgeApi,
        settings: EdgeSettings,
        log: logging.Logger,
        spawn: Spawn,
    ) -> None:
        self._listeners, self._api, self._settings, self._log, self._spawn = listeners, api, settings, log, spawn
        self._pair = KeyPair()  # nothing is ever sealed with it
        self._left = 0  # dials that this round may still begin
        self._queues: dict[str, deque[tuple[ZitiListener, Bind]]] = {}  # what is due, by router

    def run(self) -> None:
        """For ever; ends by being killed. Switches greenlets."""
        try:
            while True:
                gevent.sleep(_ROUND_S)
                self.begin_round()
        finally:
            self._queues.clear()

    def begin_round(self) -> None:
        """Begin to dial what is due, and go on until the next round. Does not switch greenlets."""
        self._left = max(1, round(self._settings.probes_per_second * _ROUND_S))
        self._queues = self._queued(time.monotonic())
        for router in self._queues:
            self._go_on(router)

    def _queued(self, now: float) -> dict[str, deque[tuple[ZitiListener, Bind]]]:
        found: defaultdict[str, deque[tuple[ZitiListener, Bind]]] = defaultdict(deque)
        for listener, bind in self._due(now):
            found[bind.channel.router].append((listener, bind))
        return dict(found)

    def _go_on(self, router: str) -> None:
        """Begin what the round and the router have room for. Each that ends makes room: rounds alone are too few."""
        queue = self._queues.get(router)
        while queue and self._left:
            listener, bind = queue[0]
            pace = listener.pace(bind)
            if not pace.has_room:
                return
            queue.popleft()
            if not bind.ended.is_set():  # since the round began
                self._left -= 1
                pace.under_way += 1
                bind.asked_at = time.monotonic()
                self._spawn(self._ask, listener, bind, pace, name=f"probe {listener.service}")

    def _due(self, now: float) -> list[tuple[ZitiListener, Bind]]:
        every_s = self._settings.probe_every
        found = [
            (listener, bind)
            for listener in self._listeners
            for bind in listener.binds()
            if now - max(bind.reached_at, bind.asked_at) >= (_AGAIN_S if bind.trouble else every_s)
        ]
        return sorted(found, key=lambda pair: pair[1].asked_at)

    def _ask(self, listener: ZitiListener, bind: Bind, pace: Pace) -> None:
        service = listener.service
        try:
            if "Dial" not in self._api.service(service).permissions:
                return  # not ours to dial: then the network's word has to do
            answer = self._dial(service, bind, pace)
        except UnknownService:
            return  # the listener finds out by itself, and says so
        except OverlayError as error:
            pace.unanswered(f"nobody reaches it: {error}")
            self._note(bind, service, str(error))
            return
        finally:
            pace.under_way -= 1
            self._go_on(bind.channel.router)
        if answer.kind == Kind.CONNECTED:
            bind.channel.closings.answered()
            bind.channel.close_circuit(answer.headers.get(Key.CIRCUIT, b""))
            bind.trouble = ""  # whoever took it: where several serve one service, it may have been another
        else:
            self._refused(bind, service, answer)

    def _dial(self, service: str, bind: Bind, pace: Pace) -> Frame:
        token = self._api.session(service, "Dial").token
        fields = [
            (Key.CONN, u32(bind.channel.next_id())),
            (Key.FLOW, b"\x01"),
            (Key.PUBLIC_KEY, self._pair.public),
            (Key.CRYPTO, METHOD),
            (Key.APP_DATA, PROBE),
        ]
        began = time.monotonic()
        answer = bind.channel.request(Kind.CONNECT, fields, token.encode(), self._settings.answer_timeout)
        pace.answered(time.monotonic() - began)
        return answer

    def _refused(self, bind: Bind, service: str, answer: Frame) -> None:
        words, again = words_of(answer), bool(bind.trouble)
        self._note(bind, service, words)
        if is_stale(answer):
            self._api.forget(service, "Dial")
        elif is_absent(answer) and again:
            bind.unbind()  # the router thinks that it serves it, and its controller does not
            bind.end(f"nobody reaches it ({words})")

    def _note(self, bind: Bind, service: str, reason: str) -> None:
        if not bind.trouble:  # health tells; with the controller away all shares of a backend would say the same
            self._log.debug("nobody reaches %s at router %s: %s", service, bind.channel.router, reason)
        bind.trouble = f"nobody reaches it: {reason}"
