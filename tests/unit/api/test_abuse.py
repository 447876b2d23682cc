"""What people try who want more than is theirs; one test a row of our list, where no other file has it (test_rows)."""

import gzip
import json
import socket
from dataclasses import replace

import pytest

from zrokd.service import passwords

GOOD, ZOE = "Correct-h0rse", "zoe@example.com"


@pytest.fixture
def zoe(api, admin):
    """Zoe's token; she has a password."""
    return api.ok("POST", "/account", token=admin, body={"email": ZOE, "password": GOOD})["accountToken"]


@pytest.fixture
def hashed(monkeypatch):
    """Each password that was compared."""
    compared, verify = [], passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda *of: compared.append(of) or verify(*of))
    return compared


def login(api, peer, email=ZOE, password="a-guess"):
    api.settings = replace(api.settings, client_address=lambda _peer, forwarded_for: forwarded_for)
    body = {"email": email, "password": password}
    return api.raw("POST", "/login", body=body, headers={"X-Forwarded-For": peer})


@pytest.mark.parametrize("addresses", [1, 200])
def test_a01_a_thousand_guesses_reach_ten_hashes_and_the_owner_gets_in(api, zoe, hashed, addresses):
    assert login(api, "192.0.2.1", password=GOOD).status_code == 200
    hashed.clear()
    answers = [login(api, f"198.51.100.{number % addresses}") for number in range(1000)]
    assert len(hashed) <= 10
    assert {answer.status_code for answer in answers} == {401, 429}
    assert all(int(one.headers["retry-after"]) >= 1 for one in answers if one.status_code == 429)
    assert login(api, "192.0.2.1", password=GOOD).status_code == 200


def test_a01_guesses_at_nobody_are_held_up_alike(api, zoe):
    told = [
        [
            (one.status_code, one.text, one.headers.get("retry-after"))
            for one in (login(api, "x", email) for _ in range(8))
        ]
        for email in (ZOE, "nobody@example.com")
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("path", "field", "more"),
    [
        ("/login", "email", {"password": "a-guess"}),
        ("/zrokd/admin/login", "email", {"password": "a-guess"}),
        ("/resetPasswordRequest", "emailAddress", {}),
        ("/invite", "email", {}),
    ],
)
def test_a02_who_has_an_account_cannot_be_told(api, zoe, hashed, path, field, more):
    """By status, headers and words; nor by what takes time: hashes, and commits to the database."""
    api.open_up(invites="open")
    told = []
    for email in (ZOE, "nobody@example.com"):
        hashed.clear()
        head = api.services.trail.page(0, 1000).head.seq
        answer = api.raw("POST", path, body={field: email, **more})
        committed = api.services.trail.page(0, 1000).head.seq > head
        told.append((answer.status_code, answer.text, dict(answer.headers), len(hashed), committed))
    assert told[0] == told[1]
    assert told[0][4] is True


@pytest.mark.slow
def test_a04_a_key_is_never_taken_from_an_address(api, ann):
    for query in ({"x-token": ann}, {"token": ann}, {"access_token": ann}):
        api.refused(401, "GET", "/overview", query=query)
    for number in range(200):
        api.refused(401, "GET", "/overview", token=f"{ann[:-2]}{number:03}")


MORE = {
    "admin": True, "limitless": True, "accountId": 1, "account_id": 1, "id": 1, "permissionMode": "closed",
    "reserved": True, "token": "chosen-token", "scope": "admin", "frontendToken": "chosen-token",
}  # fmt: skip


def test_a07_fields_that_nobody_asked_for_change_nothing(api, ann, bob):
    """What is made with them is what is made without."""
    made = []
    for who, more in ((ann, {}), (bob, MORE)):
        env = api.ok("POST", "/enable", token=who, body=more | {"description": "d", "host": "h"})["identity"]
        asked = {"envZId": env, "shareMode": "private", "backendMode": "proxy", "target": "t", "permissionMode": "open"}
        share = api.raw("POST", "/share", token=who, body=more | asked).json["shareToken"]
        assert share != "chosen-token"
        detail = api.ok("GET", f"/detail/share/{share}", token=who)
        own = {"shareToken", "zId", "envZId", "createdAt", "updatedAt"}
        made.append({key: value for key, value in detail.items() if key not in own})
        for token, path in ((who, "/zrokd/accounts"), ("chosen-token", "/overview")):
            api.refused(401, "GET", path, token=token)
    assert made[0] == made[1]
    with api.database.connection_context():
        assert api.database.execute_sql("select distinct limitless from account").fetchall() == [(0,)]
        assert api.database.execute_sql("select count(*) from admin_token").fetchall() == [(0,)]


INWARD = [
    "http://127.0.0.1:9/", "http://[::1]:9/", "http://169.254.169.254/latest/meta-data/", "http://[::ffff:127.0.0.1]:9/",
    "http://2130706433:9/", "http://0177.0.0.1:9/", "http://localhost:9/", "tcp://127.0.0.1:9", "file:///etc/passwd",
    "https://user:secret@127.0.0.1:9/",
]  # fmt: skip


@pytest.mark.parametrize("target", INWARD)
def test_a10_the_controller_connects_to_nothing_that_a_tenant_names(api, ann, monkeypatch, target):
    def refuse(_self, address):
        pytest.fail(f"it connects to {address}")

    env = api.env(ann)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *of, **how: pytest.fail(f"it looks {of} up"))
    share = api.share(ann, env, target=target)
    api.ok("GET", f"/detail/share/{share}", token=ann)
    private = api.share(ann, env, target=target, shareMode="private")
    access = api.access(ann, env, private)
    api.ok("PATCH", "/access", token=ann, body={"frontendToken": access, "bindAddress": target})
    health = {"envZId": env, "token": share, "httpVerb": "GET", "endpoint": target, "expectedHttpResponse": 200}
    assert api.raw("POST", "/agent/share/http-healthcheck", token=ann, body=health).status_code in (400, 401, 404, 502)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
def test_a16_a_body_that_is_packed_is_not_unpacked(api, ann, encoding):
    bomb = gzip.compress(b" " * 10_000_000)
    assert len(bomb) < 64 * 1024
    api.refused(400, "POST", "/enable", token=ann, body=bomb, headers={"Content-Encoding": encoding})


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
@pytest.mark.parametrize("path", ["/overview", "/versions", "/login", "/nowhere"])
def test_a17_no_other_site_reads_answers_or_asks_by_a_form(api, ann, origin, path):
    """There are no cookies, so a browser brings no credentials; and what a form can send is not JSON."""
    for method, body in (("GET", None), ("OPTIONS", None), ("POST", {})):
        answer = api.raw(method, path, token=ann, body=body, headers={"Origin": origin})
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        assert "set-cookie" not in answer.headers
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain"):
        body = json.dumps({"email": ZOE, "password": GOOD}).encode()
        api.refused(415, "POST", "/login", body=body, headers={"Content-Type": kind})


QUERIES = [
    {"email": "ann@example.com"}, {"accountId": "1"}, {"envZId": "ENV"}, {"shareToken": "SHARE"}, {"limit": "1000000"},
    {"host": "h"}, {"description": "d"}, {"sort": "account_id"}, {"search": "%"}, {"all": "true"}, {"admin": "true"},
]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/environments", "/shares", "/accesses", "/share/names", "/overview", "/zrokd/tokens", "/zrokd/binds"]
)
def test_a21_no_parameter_shows_rows_of_others(api, ann, bob, path):
    env = api.env(ann)
    share = api.share(ann, env, shareMode="private", permissionMode="open")
    api.access(ann, env, share)
    api.ok("POST", "/share/name", token=ann, body={"namespaceToken": "public", "name": "anns-blog"})
    for asked in QUERIES:
        query = {key: {"ENV": env, "SHARE": share}.get(value, value) for key, value in asked.items()}
        answer = api.raw("GET", path, token=bob, query=query)
        assert answer.status_code in (200, 400, 422), query
        assert not [mine for mine in (env, share, "anns-blog", "ann@example.com") if f'"{mine}' in answer.text], query
