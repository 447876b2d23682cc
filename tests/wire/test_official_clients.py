"""What zrok's own clients send, byte for byte as far as it matters, and what they need to be answered.

In a recording, `$NAME` stands for a value: the first answer that has one gives it, later requests and answers use it.
"""

import http.client
import json
from pathlib import Path

import pytest

from zrokd.config.load import from_tree
from zrokd.host.daemon import Daemon
from zrokd.host.registry import Registry

MEDIA_TYPE = "application/zrok.v1+json"
TOKEN = "anns-own-token"
CLIENTS = {
    "go-cli-2.0.4": {
        "User-Agent": "Go-http-client/1.1",
        "Accept": MEDIA_TYPE,
        "Accept-Encoding": "gzip",
        "X-Token": "$TOKEN",
    },
    "python-sdk-2.0.8": {
        "User-Agent": "OpenAPI-Generator/1.0.0/python",
        "Accept": f"application/json, {MEDIA_TYPE}",
        "X-Token": "$TOKEN",
    },
}


@pytest.fixture
def controller(tmp_path):
    tree = {
        "version": 1,
        "state_dir": str(tmp_path / "state"),
        "roles": {
            "controller": {
                "listen": "127.0.0.1:0",
                "accounts": [
                    {"email": "ann@example.com", "token": TOKEN},
                    {"email": "bob@example.com", "token": "bobs-own-token"},
                ],
                "frontends": {"edge": {"token": "edges-own-token"}},
                "namespaces": {"public": {"zone": "localhost", "open": True, "frontends": ["edge"]}},
            }
        },
    }
    registry = Registry()
    daemon = Daemon(from_tree(tree, registry=registry, environ={}), registry)
    daemon.start()
    yield daemon.components.roles["controller"].address
    daemon.stop(0.1)


def filled(value, known):
    if isinstance(value, dict):
        return {key: filled(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, known) for item in value]
    return known.get(value, value) if isinstance(value, str) else value


def fits(expected, got, known):
    """Whether `got` has all that `expected` names. Learns the values of names that are new."""
    if isinstance(expected, dict):
        return isinstance(got, dict) and all(key in got and fits(e, got[key], known) for key, e in expected.items())
    if isinstance(expected, list):
        return (
            isinstance(got, list)
            and len(got) == len(expected)
            and all(fits(e, g, known) for e, g in zip(expected, got, strict=True))
        )
    if isinstance(expected, str) and expected.startswith("$"):
        return isinstance(got, str) and got != "" and known.setdefault(expected, got) == got
    return type(got) is type(expected) and got == expected


def ask(connection, headers, step, known):
    headers = {**headers, **step.get("headers", {})}
    if step.get("anonymous"):
        headers["X-Token"] = None
    body = None
    if "body" in step:
        body = json.dumps(filled(step["body"], known), separators=(",", ":")).encode() + b"\n"
        headers["Content-Type"] = MEDIA_TYPE
    sent = {name: filled(value, known) for name, value in headers.items() if value is not None}
    connection.request(step["method"], "/api/v2" + filled_path(step["path"], known), body, sent)
    answer = connection.getresponse()
    return answer, answer.read()


def filled_path(path, known):
    return "/".join(known.get(part, part) for part in path.split("/"))


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_a_session_of_an_official_client_is_answered_as_it_needs(client, controller):
    steps = json.loads((Path(__file__).parent / f"{client}.json").read_text())
    known = {"$TOKEN": TOKEN}
    connection = http.client.HTTPConnection(controller.host, controller.port, timeout=20)
    try:
        for step in steps:
            answer, data = ask(connection, CLIENTS[client], step, known)
            told = (step["command"], answer.status, data)
            assert answer.status == step["status"], told
            if "answer" in step:
                assert answer.getheader("Content-Type") == MEDIA_TYPE, told
                assert fits(step["answer"], json.loads(data), known), (told, known)
                assert b"null" not in data, told
            else:
                assert (data, answer.getheader("Content-Type")) == (b"", None), told
    finally:
        connection.close()
    assert json.loads(known["$CFG"])


def test_the_matcher_can_tell_a_difference():
    known = {}
    assert fits({"a": "$X", "b": ["$X"]}, {"a": "1", "b": ["1"], "c": 5}, known)
    assert known == {"$X": "1"}
    for other in ({"a": "2", "b": ["1"]}, {"a": "1", "b": []}, {"a": "1"}, {"a": None, "b": ["1"]}, []):
        assert not fits({"a": "$X", "b": ["$X"]}, other, known)
    assert not fits(False, 0, known)
