import json

import pytest
from pydantic import ValidationError
from zrokd_plugins.mode_hello import HelloMode, HelloSettings, zrokd_provide_modes

SECRETS = ["Authorization", "Proxy-Authorization", "Cookie", "X-Token", "X-Api-Key", "My-Secret", "X-Password"]


@pytest.fixture
def hello(small_ctx):
    mode = HelloMode(HelloSettings(title="Hi & bye"), small_ctx)
    mode.open()
    mode.share_token = "tok"
    return mode


def test_the_module_provides_the_mode():
    assert zrokd_provide_modes() == [HelloMode]
    assert (HelloMode.name, HelloMode.http) == ("hello", True)


def test_the_page_shows_what_reached_us(hello, visit):
    status, fields, body = visit(hello).get("/some/path?a=1", "X-Color: blue")
    assert status == 200
    assert fields["content-type"] == "text/html; charset=utf-8"
    page = body.decode()
    for part in ("Hi &amp; bye", "GET", "/some/path?a=1", "X-Color", "blue", "a.example", "pid:1", "<b>tok</b>"):
        assert part in page, part


def test_nothing_of_the_request_becomes_markup(hello, visit):
    status, fields, body = visit(hello).get("/%3Cscript%3E?<b>", "X-Evil: <script>alert(1)</script>")
    assert status in (200, 400)  # a strict reader may refuse the target
    assert b"<script>" not in body
    status, fields, body = visit(hello).get("/", "X-Evil: <script>alert(1)</script>")
    assert b"&lt;script&gt;" in body
    assert b"<script>" not in body
    assert "default-src 'none'" in fields["content-security-policy"]


@pytest.mark.parametrize("how", ["/?format=json", "Accept: application/json"])
def test_the_same_as_json(hello, visit, how):
    target, rows = (how, []) if how.startswith("/") else ("/", [how])
    _status, fields, body = visit(hello).get(target, *rows)
    assert fields["content-type"] == "application/json"
    seen = json.loads(body)
    assert seen["method"] == "GET"
    assert seen["target"] == target
    assert seen["share"] == "tok"
    assert ["Host", "a.example"] in seen["fields"]
    assert seen["caller"] == {"identity": "uid:0", "address": "pid:1"}


def test_a_browser_that_also_takes_json_gets_the_page(hello, visit):
    _, fields, _ = visit(hello).get("/", "Accept: text/html, application/json;q=0.9")
    assert fields["content-type"].startswith("text/html")


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("target", ["/", "/?format=json"])
def test_credentials_are_hidden(hello, visit, name, target):
    _, _, body = visit(hello).get(target, f"{name}: s3cr3t-value")
    assert b"s3cr3t-value" not in body
    assert name.encode() in body
    assert b"(hidden)" in body


def test_the_ping_is_answered_and_not_told(hello, visit, small_ctx):
    visitor = visit(hello)
    assert visitor.get("/.well-known/zrokd/ping")[0] == 204
    assert visitor.get("/.well-known/zrokd/ping?x=1")[0] == 204
    assert small_ctx.hooks.calls == []


def test_a_body_is_counted_and_the_connection_kept(hello, visit, small_ctx):
    visitor = visit(hello)
    visitor.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nAccept: application/json\r\n\r\nhello")
    _status, _, body = visitor.answer()
    assert json.loads(body)["body_bytes"] == 5
    assert visitor.get("/")[0] == 200
    first, second = small_ctx.hooks.wait("on_exchange", 2)
    assert (first.method, first.target, first.status, first.rx_bytes, first.role) == ("POST", "/x", 200, 5, "backend")
    assert first.share_token == "tok"
    assert first.tx_bytes == len(body)
    assert second.rx_bytes == 0


def test_a_body_too_large_is_refused(hello, visit):
    visitor = visit(hello)
    visitor.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
    assert visitor.answer()[0] == 413


def test_drain_ends_an_idle_connection(hello, visit):
    visitor = visit(hello)
    assert visitor.get("/")[0] == 200
    hello.drain(1.0)
    assert visitor.ended() == b""


def test_settings_are_strict():
    with pytest.raises(ValidationError):
        HelloSettings(titel="x")
