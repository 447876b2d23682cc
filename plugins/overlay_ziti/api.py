"""One API of the network's controllers, with an API session that is made, kept and made again."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import gevent
from gevent.event import AsyncResult

from zrokd.errors import OverlayError

from .web import Answer, Web

T = TypeVar("T")

_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
# Too many requests; no leader, or a command that stood in its queue for too long. Source: openziti apierror
_PASSING = frozenset([429, 503])


class Refused(OverlayError):
    """The controller said no. `code` is its word for why, `field` what of the request it means."""

    def __init__(self, status: int, code: str, message: str, field: str = "", reason: str = "") -> None:
        self.status, self.code, self.field, self.reason = status, code, field, reason
        detail = f": {reason}" if reason else ""
        super().__init__(f"the network's controller refused ({status} {code}): {message}{detail}")

    @property
    def absent(self) -> bool:
        """Whether what was asked for is not there."""
        return self.status == 404

    @property
    def passing(self) -> bool:
        """Whether the same may be granted in a moment: the controller is busy, or has no leader."""
        return self.status in _PASSING

    @property
    def taken(self) -> bool:
        """Whether the name is another's. Source: openziti says so by the field of a request that is not valid"""
        return self.status == 400 and self.code == "COULD_NOT_VALIDATE" and self.field == "name"


class Single:
    """Many greenlets that want the same at once make one call and share its result."""

    def __init__(self) -> None:
        self._running: dict[Hashable, AsyncResult[Any]] = {}

    def run(self, key: Hashable, function: Callable[[], T]) -> T:
        """What `function` returns or raises, called by the first to come. When that one is killed, the next calls."""
        while (running := self._running.get(key)) is not None:
            if running.get() is not None:
                found: tuple[T | None, Exception | None] = running.get()
                if found[1] is not None:
                    raise found[1]
                return found[0]  # type: ignore[return-value]
        mine = self._running[key] = AsyncResult()
        outcome: tuple[T | None, Exception | None] | None = None
        try:
            value = function()
            outcome = (value, None)
            return value
        except Exception as error:
            outcome = (None, error)
            raise
        finally:
            del self._running[key]
            mine.set(outcome)


class Api:
    """Calls below `base`, as whoever `login` says: it gives the query of the login and its body.

    `words` tells the person what to do when the controller does not know us. `patience_s`: how long a controller that
    is busy is asked again. All calls may switch greenlets and raise OverlayError.
    """

    def __init__(
        self,
        web: Web,
        base: str,
        login: Callable[[], tuple[str, Mapping[str, Any]]],
        *,
        words: str,
        log: logging.Logger,
        patience_s: float = 15.0,
    ) -> None:
        self.web, self._base, self._login, self._words, self._log = web, base, login, words, log
        self._patience_s = patience_s
        self._single = Single()
        self._token = ""
        self.generation = 0  # how often we authenticated
        self.details: Mapping[str, Any] = {}  # of the API session
        self.denied = ""  # why the controller does not let us in
        self.on_login: Callable[[], object] = lambda: None

    @property
    def token(self) -> str:
        """The API session's; authenticates first where there is none."""
        return self._token or self.authenticate()

    @property
    def trouble(self) -> str:
        """What is wrong with us or the controllers, as of the last call."""
        return self.web.trouble or self.denied

    def authenticate(self, seen: int | None = None) -> str:
        """A new API session's token, or that of who was faster: `seen` is the generation that was refused."""
        if seen is not None and seen != self.generation and self._token:
            return self._token
        return self._single.run("login", self._authenticate)

    def call(self, method: str, path: str, body: Any = None, query: Mapping[str, str | int] | None = None) -> Any:
        """`data` of the answer. :raises Refused: the controller says no. :raises OverlayError: it says nothing."""
        return self.answer(method, path, body, query).get("data")

    def answer(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str | int] | None = None,
        base: str = "",
    ) -> dict[str, Any]:
        """As `call`, the whole answer. `base`: another API of the same controllers, in the same API session."""
        target = f"{base or self._base}{path}{_query(query)}"
        data = None if body is None else json.dumps(body).encode()
        token, generation = self.token, self.generation
        answer = self._send(method, target, data, token)
        if answer.status == 401:
            token = self.authenticate(generation)
            answer = self._send(method, target, data, token)
        return _document(answer)

    def forget_login(self) -> None:
        """End the API session here. The controller is told by who calls `DELETE /current-api-session` before."""
        self._token = ""

    @property
    def logged_in(self) -> bool:
        """Whether there is an API session, as far as we know."""
        return bool(self._token)

    def _authenticate(self) -> str:
        self._token = ""
        query, body = self._login()
        answer = self._send("POST", f"{self._base}/authenticate?{query}", json.dumps(body).encode(), "")
        try:
            self.details = _document(answer)["data"]
            self._token = str(self.details["token"])
        except Refused as error:
            if error.status != 401:
                raise
            self.denied = self._words
            raise Refused(401, error.code, self._words) from error
        except (KeyError, TypeError) as error:
            raise OverlayError("the network's controller lets us in without an API session") from error
        self.denied = ""
        self.generation += 1
        self.on_login()
        return self._token

    def _send(self, method: str, target: str, data: bytes | None, token: str) -> Answer:
        headers = {"zt-session": token} if token else {}
        if data is not None:
            headers["Content-Type"] = "application/json"
        with gevent.Timeout(self._patience_s, False):  # the pauses end; a request under way has its own limit
            for pause_s in _pauses():
                answer = self.web.request(method, target, data, headers)
                if answer.status not in _PASSING:
                    return answer
                gevent.sleep(pause_s)
        return self.web.request(method, target, data, headers)


def quoted(value: str) -> str:
    """A text as it stands in a filter."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _pauses() -> Any:
    pause_s = _PAUSE_S
    while True:
        yield random.uniform(pause_s / 2, pause_s)  # noqa: S311 - no secret
        pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)


def _query(query: Mapping[str, str | int] | None) -> str:
    if not query:
        return ""
    return "?" + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())


def _document(answer: Answer) -> dict[str, Any]:
    """:raises Refused: it is an error. :raises OverlayError: it makes no sense."""
    if answer.status >= 400:
        raise _refusal(answer)
    found = answer.json()
    if answer.status >= 300 or not isinstance(found, dict):
        raise OverlayError(f"the network's controller answered {answer.status} with something that makes no sense")
    return found


def _refusal(answer: Answer) -> Refused:
    try:
        error = answer.json()["error"]
        cause = error.get("cause") or {}
        reason = cause.get("reason") or cause.get("message") or ""
        return Refused(
            answer.status, str(error["code"]), str(error["message"]), str(cause.get("field", "")), str(reason)
        )
    except (OverlayError, KeyError, TypeError, AttributeError):
        return Refused(answer.status, "UNKNOWN", "without saying why")
