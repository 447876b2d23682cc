import html.parser

import pytest

from zrokd.errors import (
    Denied,
    MessageError,
    NoTerminator,
    NotFound,
    OverlayError,
    OverlayTimeout,
    StreamClosed,
    StreamError,
    StreamTimeout,
    Unavailable,
    UnknownService,
)
from zrokd.proxy.pages import page, page_for, standard_page

STATUSES = [400, 404, 405, 408, 413, 414, 417, 431, 500, 501, 502, 503, 504, 505, 508]


class Outline(html.parser.HTMLParser):
    VOID = ("meta", "!doctype")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("status", STATUSES)
def test_every_page_is_small_valid_and_of_the_same_shape(status):
    answer = standard_page(status)
    outline = Outline(answer.body.decode())
    assert outline.open == []
    assert outline.seen == Outline(standard_page(404).body.decode()).seen
    assert answer.status == status
    assert len(answer.body) < 1024
    assert str(status) in outline.text


@pytest.mark.parametrize("status", STATUSES)
def test_no_page_is_stored_and_none_is_framed_by_itself(status):
    fields = dict(standard_page(status).fields)
    assert fields[b"Cache-Control"] == b"no-store"
    assert fields[b"Content-Type"] == b"text/html; charset=utf-8"
    assert b"Content-Length" not in fields


def test_pages_follow_the_dark_mode_of_the_visitor():
    assert b'<meta name="color-scheme" content="light dark">' in standard_page(404).body


def test_title_and_message_are_escaped():
    body = page(404, "<script>", 'a "b" & <i>c</i>').body.decode()
    assert "<script>" not in body
    assert "<i>" not in body
    assert "&lt;script&gt;" in body
    assert "&amp;" in body


def test_a_status_without_our_own_words_takes_the_standards():
    assert "Locked" in standard_page(423).body.decode()
    assert "Not served" in standard_page(599).body.decode()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MessageError(400, "x"), 400),
        (MessageError(431, "x"), 431),
        (MessageError(508, "x"), 508),
        (NotFound("x"), 404),
        (NoTerminator("x"), 502),
        (UnknownService("x"), 502),
        (OverlayError("x"), 503),
        (OverlayTimeout("x"), 503),
        (Unavailable("x"), 503),
        (StreamTimeout("x"), 504),
        (StreamError("x"), 502),
        (StreamClosed("x"), 502),
        (Denied("x"), 500),
        (ValueError("x"), 500),
    ],
)
def test_an_error_is_answered_by_its_page(error, status):
    assert page_for(error).status == status


def test_an_errors_text_is_never_shown():
    for kind in (NotFound, OverlayError, StreamError, ValueError):
        assert b"10.1.2.3" not in page_for(kind("10.1.2.3 said no")).body
    assert b"10.1.2.3" not in page_for(MessageError(400, "10.1.2.3 said no")).body


def test_not_now_says_when_to_come_back():
    assert dict(page_for(Unavailable("x", retry_after_s=4.2)).fields)[b"Retry-After"] == b"5"
    assert b"Retry-After" in dict(page_for(OverlayTimeout("x")).fields)
    assert b"Retry-After" not in dict(page_for(NoTerminator("x")).fields)
