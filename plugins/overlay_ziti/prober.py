"""Dials what we bind, as visitors do: nothing else proves that they reach it."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Collection

import gevent

from zrokd.errors import OverlayError, UnknownService

from .channel import Spawn
from .crypto import METHOD, KeyPair
from .edge import EdgeApi
from .frames import Frame, Key, Kind, u32
from .listener import PROBE, Bind, ZitiListener
from .refusals import is_absent, is_stale, words_of
from .settings import EdgeSettings

_ROUND_S = 0.5
_MOST = 5  # a round: with many shares each has its turn less often, and the controller is left in peace
_AGAIN_S = 1.0  # after one that failed


class Prober:
    """Of one node. A bind over which somebody dialled a moment ago is not asked."""

    def __init__(
        self,
        listeners: Collection[ZitiListener],
        api: EdgeApi,
        settings: EdgeSettings,
        log: logging.Logger,
        spawn: Spawn,
    ) -> None:
        self._listeners, self._api, self._settings, self._log, self._spawn = listeners, api, settings, log, spawn

    def run(self) -> None:
        """For ever; ends by being killed. Switches greenlets."""
        while True:
            gevent.sleep(_ROUND_S)
            for listener, bind in self._due(time.monotonic())[:_MOST]:
                bind.asked_at = time.monotonic()
                self._spawn(self._ask, listener, bind, name=f"probe {listener.service}")

    def _due(self, now: float) -> list[tuple[ZitiListener, Bind]]:
        every_s = self._settings.probe_every
        found = [
            (listener, bind)
            for listener in self._listeners
            for bind in listener.binds()
            if now - max(bind.reached_at, bind.asked_at) >= (_AGAIN_S if bind.trouble else every_s)
        ]
        return sorted(found, key=lambda pair: pair[1].asked_at)

    def _ask(self, listener: ZitiListener, bind: Bind) -> None:
        service = listener.service
        try:
            if "Dial" not in self._api.service(service).permissions:
                return  # not ours to dial: then the network's word has to do
            answer = self._dial(service, bind)
        except UnknownService:
            return  # the listener finds out by itself, and says so
        except OverlayError as error:
            self._note(bind, service, str(error))
            return
        if answer.kind == Kind.CONNECTED:
            bind.channel.post(Kind.CIRCUIT_CLOSE, b"", answer.headers.get(Key.CIRCUIT, b""))
            bind.reached()  # by us or, where several serve it, by another
        else:
            self._refused(bind, service, answer)

    def _dial(self, service: str, bind: Bind) -> Frame:
        token = self._api.session(service, "Dial").token
        fields = [
            (Key.CONN, u32(bind.channel.next_id())),
            (Key.FLOW, b"\x01"),
            (Key.PUBLIC_KEY, KeyPair().public),
            (Key.CRYPTO, METHOD),
            (Key.APP_DATA, PROBE + secrets.token_hex(8).encode()),
        ]
        return bind.channel.request(Kind.CONNECT, fields, token.encode(), self._settings.answer_timeout)

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
