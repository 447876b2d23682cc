from __future__ import annotations

import pytest

from zrokd.errors import MessageError
from zrokd.model.http import RequestHead, ResponseHead
from zrokd.net.http1.hops import connection_tokens, hop_by_hop, keeps_alive, wants_websocket

UPGRADE = ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"))


def head(*fields: tuple[bytes, bytes], minor: int = 1) -> RequestHead:
    return RequestHead(b"GET", b"/", minor, ((b"Host", b"a"), *fields))


@pytest.mark.parametrize(
    "name",
    [b"Connection", b"Keep-Alive", b"Proxy-Connection", b"Proxy-Authorization", b"TE", b"Upgrade", b"HTTP2-Settings"],
)
def test_fields_of_one_hop_are_dropped(name):
    assert hop_by_hop(head((name, b"x"), (b"Accept", b"y"))) == head((b"Accept", b"y"))


def test_nominated_fields_are_dropped():
    dirty = head(
        (b"Connection", b"X-Secret, Keep-Alive"), (b"connection", b"x-OTHER"), (b"X-Secret", b"1"), (b"X-Other", b"2")
    )
    assert hop_by_hop(dirty) == head()


@pytest.mark.parametrize("name", [b"Host", b"content-length", b"Transfer-Encoding", b"close, HOST"])
def test_fields_that_every_hop_needs_cannot_be_nominated(name):
    with pytest.raises(MessageError) as caught:
        hop_by_hop(head((b"Connection", name)))
    assert caught.value.status == 400


def test_framing_fields_stay_for_who_frames_the_body():
    framed = head((b"Content-Length", b"3"))
    assert hop_by_hop(framed) == framed


@pytest.mark.parametrize("value", [b"websocket", b"WebSocket"])
def test_a_websocket_upgrade_stays_in_one_form(value):
    clean = hop_by_hop(head((b"Upgrade", value), (b"Connection", b"keep-alive, upgrade"), (b"X", b"y")))
    assert clean == head((b"X", b"y"), *UPGRADE)
    assert wants_websocket(clean)
    assert hop_by_hop(clean) == clean


@pytest.mark.parametrize(
    "fields",
    [
        ((b"Upgrade", b"h2c"), (b"Connection", b"Upgrade, HTTP2-Settings"), (b"HTTP2-Settings", b"x")),
        ((b"Upgrade", b"foobar"), (b"Connection", b"Upgrade")),
        ((b"Upgrade", b"websocket"),),
        ((b"Connection", b"Upgrade"),),
        ((b"Upgrade", b"websocket, h2c"), (b"Connection", b"Upgrade")),
    ],
)
def test_no_other_upgrade_passes(fields):
    clean = hop_by_hop(head(*fields))
    assert clean == head()
    assert not wants_websocket(clean)


def test_answers_are_cleaned_the_same_way():
    dirty = ResponseHead(200, b"OK", ((b"Connection", b"Set-Cookie"), (b"Set-Cookie", b"a=b"), (b"X", b"y")))
    assert hop_by_hop(dirty) == ResponseHead(200, b"OK", ((b"X", b"y"),))


@pytest.mark.parametrize(
    ("value", "minor", "want"),
    [
        (b"", 1, True), (b"close", 1, False), (b"Close, x", 1, False), (b"keep-alive", 1, True),
        (b"", 0, False), (b"Keep-Alive", 0, True), (b"keep-alive, close", 0, False),
    ],
)  # fmt: skip
def test_who_wants_to_go_on_says_so_in_connection(value, minor, want):
    fields = ((b"Connection", value),) if value else ()
    assert keeps_alive(head(*fields, minor=minor)) is want


def test_tokens_are_taken_from_all_fields_in_lower_case():
    assert connection_tokens(head((b"Connection", b" A ,b"), (b"CONNECTION", b"C")).block) == {b"a", b"b", b"c"}
