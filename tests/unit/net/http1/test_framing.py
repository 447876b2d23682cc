from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import MessageError
from zrokd.model.http import RequestHead, ResponseHead
from zrokd.net.http1.framing import CHUNKED, NONE, UNTIL_CLOSE, Framing, request_framing, response_framing

CL, TE = b"Content-Length", b"Transfer-Encoding"


def request(*fields: tuple[bytes, bytes], minor: int = 1) -> RequestHead:
    return RequestHead(b"POST", b"/", minor, fields)


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        ((), NONE),
        (((CL, b"0"),), Framing("length", 0)),
        (((b"content-LENGTH", b"007"),), Framing("length", 7)),
        (((CL, b"9" * 18),), Framing("length", 10**18 - 1)),
        (((TE, b"chunked"),), CHUNKED),
        (((b"transfer-encoding", b"Chunked"),), CHUNKED),
    ],
)
def test_a_request_is_framed_by_its_fields(fields, want):
    assert request_framing(request(*fields)) == want


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (((CL, b"3"), (TE, b"chunked")), 400),
        (((TE, b"chunked"), (CL, b"3")), 400),
        (((CL, b"3"), (CL, b"3")), 400),
        (((CL, b"3"), (CL, b"4")), 400),
        (((TE, b"chunked"), (TE, b"chunked")), 400),
        *((((CL, value),), 400) for value in (b"3, 3", b"+3", b"-3", b"0x3", b"1_0", b"3 3", b"", b"9" * 19)),
        *((((CL, value),), 400) for value in (b"\xa03", b"3.0")),
        *((((TE, value),), 501) for value in (b"identity", b"xchunked", b"chunked, gzip", b"gzip, chunked")),
        (((TE, b"chunked;q=1"),), 501),
        *((((TE, value),), 501) for value in (b"chunked, chunked", b"\xa0chunked", b",chunked", b"")),
    ],
)  # fmt: skip
def test_doubt_is_refused(fields, status):
    with pytest.raises(MessageError) as caught:
        request_framing(request(*fields))
    assert caught.value.status == status


def test_http_1_0_has_no_chunks():
    with pytest.raises(MessageError, match=r"HTTP/1\.0"):
        request_framing(request((TE, b"chunked"), minor=0))


@pytest.mark.parametrize(
    ("status", "method", "fields", "want"),
    [
        (200, b"GET", (), UNTIL_CLOSE),
        (200, b"GET", ((CL, b"5"),), Framing("length", 5)),
        (200, b"GET", ((TE, b"chunked"),), CHUNKED),
        (200, b"HEAD", ((CL, b"5"),), NONE),
        (200, b"HEAD", ((TE, b"chunked"),), NONE),
        (204, b"GET", ((CL, b"5"),), NONE),
        (304, b"GET", ((CL, b"5"),), NONE),
        (100, b"GET", ((TE, b"chunked"),), NONE),
        (101, b"GET", (), NONE),
    ],
)
def test_an_answer_is_framed_by_status_method_and_fields(status, method, fields, want):
    assert response_framing(ResponseHead(status, b"", fields), method) == want


def test_an_answer_in_doubt_is_502():
    with pytest.raises(MessageError) as caught:
        response_framing(ResponseHead(200, b"", ((CL, b"x"),)), b"GET")
    assert caught.value.status == 502


@given(
    st.lists(st.tuples(st.sampled_from([CL, TE, b"X"]), st.one_of(st.sampled_from([b"3", b"chunked"]), st.binary())))
)
def test_any_fields_give_a_framing_or_a_refusal(fields):
    try:
        framing = request_framing(request(*fields))
    except MessageError:
        return
    names = [name for name, _ in fields]
    assert names.count(CL) + names.count(TE) == (framing.kind != "none")
