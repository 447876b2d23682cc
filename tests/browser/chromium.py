"""A real browser without a screen, told what to do by its DevTools protocol over a websocket."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.sync.client import connect

_ANSWER_S = 30.0
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
)  # fmt: skip


def program() -> str | None:
    """Where the browser is, or None."""
    return shutil.which("chromium")


NEEDS_BROWSER = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(program() is None, reason="there is no browser here; apt-get install chromium"),
]


class Browser:
    """One page of a browser with a profile of its own. Source: chromedevtools.github.io/devtools-protocol."""

    def __enter__(self) -> Browser:
        self._number, self._session, self._events = 0, "", []
        self.answers: list[tuple[str, str]] = []  # to challenges, as `heed_challenges` says
        self.challenges = 0
        with ExitStack() as undo:
            folder = undo.enter_context(
                tempfile.TemporaryDirectory(prefix="zrokd-browser-", ignore_cleanup_errors=True)
            )
            command = [program() or "chromium", *_FLAGS, f"--user-data-dir={folder}", "about:blank"]
            process = subprocess.Popen(
                command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
            )
            undo.enter_context(process)
            undo.callback(os.killpg, process.pid, signal.SIGKILL)  # a session of its own: its helpers, too
            url = _told(process, r"DevTools listening on (ws://\S+)")
            self._socket = undo.enter_context(connect(url, max_size=None, compression=None))
            target = self._call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self._call("Page.enable")
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def open(self, url: str) -> str:
        """The text that stands on the page at `url`, once it is loaded."""
        self._events.clear()
        failed = self._call("Page.navigate", url=url).get("errorText")
        assert not failed, failed
        return self._text()

    def press(self, selector: str) -> str:
        """Press what a CSS selector finds; the text of the page that comes of it."""
        self._events.clear()
        self._evaluate(f"document.querySelector({json.dumps(selector)}).click()")
        return self._text()

    def heed_challenges(self) -> None:
        """From now on who asks for a name and a password gets the next of `answers`; without one, nobody types any."""
        self._call("Fetch.enable", handleAuthRequests=True)

    @property
    def address(self) -> str:
        """What stands in the address bar."""
        return str(self._evaluate("location.href"))

    def _text(self) -> str:
        while "Page.loadEventFired" not in self._events:
            self._take()
        return str(self._evaluate("document.body.innerText"))

    def _evaluate(self, expression: str) -> Any:
        return self._call("Runtime.evaluate", expression=expression)["result"].get("value")

    def _call(self, method: str, **params: Any) -> Any:
        number = self._send(method, **params)
        while (told := self._take()).get("id") != number:
            pass
        assert "error" not in told, told
        return told["result"]

    def _send(self, method: str, **params: Any) -> int:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": params}
        self._socket.send(json.dumps(asked | ({"sessionId": self._session} if self._session else {})))
        return self._number

    def _take(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._socket.recv(timeout=_ANSWER_S))
        event = told.get("method", "")
        self._events.append(event)
        if event == "Fetch.requestPaused":
            self._send("Fetch.continueRequest", requestId=told["params"]["requestId"])
        elif event == "Fetch.authRequired":
            self._answer(told["params"]["requestId"])
        return told

    def _answer(self, request: str) -> None:
        self.challenges += 1
        answer = {"response": "CancelAuth"}
        if self.answers:
            name, password = self.answers.pop(0)
            answer = {"response": "ProvideCredentials", "username": name, "password": password}
        self._send("Fetch.continueWithAuth", requestId=request, authChallengeResponse=answer)


def _told(process: subprocess.Popen[str], pattern: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found[1]
    raise RuntimeError("the browser ended at its start")
