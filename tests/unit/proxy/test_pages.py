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
    UsedUp,
)
from zrokd.proxy.pages import page_for


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


def test_what_is_used_up_is_told_without_whose_it_is():
    told = page_for(UsedUp("share abc of ann@example.com"))
    assert told.status == 503 and b"had all the traffic" in told.body and b"abc" not in told.body
    assert (b"Retry-After", b"300") in told.fields
