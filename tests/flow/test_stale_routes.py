"""How long a frontend routes by what is not so any more, while what it is told is lost, doubled or late."""

from __future__ import annotations

import http.client
import random
import time
from collections import deque
from urllib.parse import urlsplit

import gevent
import pytest
from gevent.pywsgi import WSGIServer

from zrokd.client.controller import Controller
from zrokd.model.share import NameSelection, ShareDraft, ShareMode
from zrokd.model.units import Secret
from zrokd.testing.scenario import ACCOUNT_TOKEN, Scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
CHANGES = 12
KEPT = ("content-type", "retry-after")


class Between:
    """Between a frontend and its controller: hands on what is asked, and spoils half of the answers about names."""

    def __init__(self, spoil):
        self.upstream = ""
        self._spoil, self._told, self._random = spoil, deque(maxlen=4), random.Random(4)
        self._server = WSGIServer(("127.0.0.1", 0), self._answer, log=None, error_log=None)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.spoilt, self._row = 0, 0  # in a row: two at most, so that nobody waits for the third delay of a feed

    def close(self):
        self._server.stop(timeout=0)

    def _answer(self, environ, start):
        answer = self._ask(environ)
        if environ["PATH_INFO"].endswith("/zrokd/mappings"):
            self._told.append(answer)
            self._row = self._row + 1 if self._row < 2 and self._random.random() < 0.5 else 0
            if self._row:
                answer = self._spoilt(answer)
        status, fields, body = answer
        start(f"{status} {http.client.responses[status]}", fields)
        return [body]

    def _ask(self, environ):
        connection = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=40)
        path = environ["PATH_INFO"] + f"?{environ['QUERY_STRING']}" * bool(environ["QUERY_STRING"])
        body = environ["wsgi.input"].read()
        headers = {"X-Token": environ.get("HTTP_X_TOKEN", ""), "Accept": environ.get("HTTP_ACCEPT", "*/*")}
        if body:
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        try:
            connection.request(environ["REQUEST_METHOD"], path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, [pair for pair in answer.getheaders() if pair[0].lower() in KEPT], answer.read()
        finally:
            connection.close()

    def _spoilt(self, answer):
        if self._spoil == "nothing":
            return answer
        self.spoilt += 1
        if self._spoil == "lost":
            return 503, [("Retry-After", "1")], b""
        if self._spoil == "doubled":
            return self._told[-2] if len(self._told) > 1 else answer
        gevent.sleep(self._random.uniform(0, 1))
        return self._random.choice(self._told)  # reordered: an older one, in place of this


@pytest.fixture
def between(request):
    made = Between(request.param)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("between", "within_s"),
    [("nothing", 1.0), ("lost", 5.0), ("doubled", 5.0), ("reordered", 5.0)],
    indirect=["between"],
)
def test_a_route_is_never_stale_for_long(between, within_s, tmp_path, capsys):
    roles = {"backend": None, "frontend": {"controller": between.url}}
    zrokd = Scenario(tmp_path, changes={"roles": roles})
    between.upstream = zrokd.controller_url
    with zrokd:
        client = Controller(zrokd.controller_url, Secret(ACCOUNT_TOKEN))
        home = client.enable("d", "h").z_id
        seconds = [change_s(zrokd, client, home, f"name-{number}") for number in range(CHANGES)]
        client.close()
    with capsys.disabled():
        print(f"\n{between.spoilt} answers spoilt: stale for {max(map(max, seconds)):.2f} s at most", end=" ")
    assert max(map(max, seconds)) < within_s


def change_s(zrokd, client, home, name):
    """How long a new name is unknown, and how long it is known after its share has ended."""
    selections = (NameSelection(namespace="public", name=name),)
    draft = ShareDraft(env_z_id=home, share_mode=ShareMode.PUBLIC, mode="proxy", target="t", selections=selections)
    client.create_name("public", name)
    token, _ = client.share(draft)
    known_s = until(lambda: zrokd.get(name).status == 502)  # nobody serves it
    client.unshare(home, token)
    return known_s, until(lambda: zrokd.get(name).status == 404)


def until(check):
    begun = time.monotonic()
    while not check():
        assert time.monotonic() - begun < 20
        gevent.sleep(0.02)
    return time.monotonic() - begun
