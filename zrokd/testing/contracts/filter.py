"""FilterContract: every filter passes it, and so does yours."""

from __future__ import annotations

import pytest

from zrokd.contracts import Filter
from zrokd.model.http import Fields, RequestHead, Respond, ResponseHead, Route
from zrokd.testing.contracts.component import ComponentContract, no_switch

_ROUTE = Route(host="a.example", token="contract", mode="proxy")
_HEADS: tuple[Fields, ...] = (
    (),
    ((b"Content-Length", b"5"),),
    ((b"Transfer-Encoding", b"chunked"),),
    ((b"X-Forwarded-For", b"evil, 127.0.0.1"), (b"X-Forwarded-For", b"::1"), (b"Forwarded", b"for=_x")),
    ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")),
    tuple((b"X-%d" % number, b"v") for number in range(90)),
    ((b"X-Odd", b"\xff\xfe\x80"),),
)
_PEERS = ("192.0.2.1:1234", "[2001:db8::1]:1234", "unix:", "local:x", "")
_FRAMING = (b"Content-Length", b"Transfer-Encoding", b"Host")


class FilterContract(ComponentContract):
    """The suite for slot filter."""

    @pytest.mark.parametrize("peer", _PEERS)
    @pytest.mark.parametrize("fields", _HEADS, ids=range(len(_HEADS)))
    def test_it_gives_a_head_or_an_answer_at_once(self, component: Filter, fields: Fields, peer: str) -> None:
        head = RequestHead(b"POST", b"/x?y", 1, ((b"Host", b"a.example"), *fields))
        with no_switch():
            given = component.on_request(head, _ROUTE, peer)
        assert isinstance(given, RequestHead | Respond)
        if isinstance(given, RequestHead):
            for name in _FRAMING:
                assert given.get(name) == head.get(name), "framing and Host are not a filter's to change"

    @pytest.mark.parametrize("status", [200, 204, 304, 404, 502])
    def test_it_gives_an_answers_head_back_at_once(self, component: Filter, status: int) -> None:
        head = ResponseHead(status, b"Reason", ((b"Content-Length", b"0"), (b"Set-Cookie", b"a=b"), (b"X", b"\xff")))
        with no_switch():
            given = component.on_response(head, _ROUTE)
        assert isinstance(given, ResponseHead)
        assert given.status == status
        assert given.get(b"Content-Length") == b"0"

    def test_no_line_break_gets_in(self, component: Filter) -> None:
        for peer in _PEERS:
            given = component.on_request(RequestHead(b"GET", b"/", 1, ((b"Host", b"a.example"),)), _ROUTE, peer)
            if isinstance(given, RequestHead):
                assert all(not {b"\r", b"\n"} & {bytes([c]) for c in name + value} for name, value in given.fields)
