"""GateContract: every gate passes it, and so does yours."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from zrokd.contracts import Gate
from zrokd.errors import ZrokdError
from zrokd.model.http import Allow, Fields, RequestHead, Respond, Route
from zrokd.testing.contracts.component import ComponentContract

_FRAMING = {b"content-length", b"transfer-encoding", b"connection", b"date"}
_ODD: tuple[Fields, ...] = (
    ((b"Authorization", b""),),
    ((b"Authorization", b"Basic"),),
    ((b"Authorization", b"Basic !!!not base64"),),
    ((b"Authorization", b"Basic OnBhc3M="),),
    ((b"Authorization", b"Bearer " + b"x" * 8000),),
    ((b"Cookie", b"session=\xff\xfe; =; ;;"),),
    ((b"Cookie", b"a=" + b"b" * 8000),),
    ((b"Authorization", b"Basic YTpi"), (b"Authorization", b"Basic YTpi")),
)


class GateContract(ComponentContract):
    """The suite for slot gate."""

    #: What the share told the gate, as its settings in the backend would.
    gate_config: ClassVar[dict[str, Any]] = {}
    #: Fields of a request that may pass, or None where that cannot be said.
    passes: ClassVar[Fields | None] = None
    #: Fields of a request that may not, or None: then a request without any fields is tried.
    fails: ClassVar[Fields | None] = ()

    def route(self) -> Route:
        """The route of the requests."""
        return Route(
            host="a.example", token="contract", gate=self.Component.name, gate_config=tuple(self.gate_config.items())
        )

    def head(self, fields: Fields = (), target: bytes = b"/") -> RequestHead:
        """A request."""
        return RequestHead(b"GET", target, 1, ((b"Host", b"a.example"), *fields))

    def test_who_may_pass_passes(self, component: Gate) -> None:
        if self.passes is not None:
            verdict = component.check(self.head(self.passes), self.route())
            assert isinstance(verdict, Allow)
            assert not {name.lower() for name, _ in verdict.fields} & _FRAMING

    def test_who_may_pass_passes_again(self, component: Gate) -> None:
        if self.passes is not None:
            verdicts = [component.check(self.head(self.passes), self.route()) for _ in range(3)]
            assert all(isinstance(verdict, Allow) for verdict in verdicts)

    def test_who_may_not_is_answered(self, component: Gate) -> None:
        if self.fails is not None:
            self.check_answer(component.check(self.head(self.fails), self.route()))

    def check_answer(self, verdict: object) -> None:
        """An answer that a visitor can be sent."""
        assert isinstance(verdict, Respond)
        assert 300 <= verdict.status <= 599
        assert not {name.lower() for name, _ in verdict.fields} & _FRAMING, "framing is added by the sender"
        for name, value in verdict.fields:
            assert b"\r" not in name + value
            assert b"\n" not in name + value

    @pytest.mark.parametrize("fields", _ODD, ids=range(len(_ODD)))
    def test_odd_requests_are_answered_and_break_nothing(self, component: Gate, fields: Fields) -> None:
        assert isinstance(component.check(self.head(fields), self.route()), Allow | Respond)

    @pytest.mark.parametrize("target", [b"*", b"//x", b"/%00%0d%0a", b"/" + b"a" * 7000, b"/?" + b"&" * 1000])
    def test_odd_targets_break_nothing(self, component: Gate, target: bytes) -> None:
        assert isinstance(component.check(self.head(target=target), self.route()), Allow | Respond)

    @pytest.mark.parametrize("config", [{"users": 5}, {"users": [1]}, {"unknown": None}, {"opens": "x"}])
    def test_a_wrong_configuration_of_the_share_lets_nobody_in_who_may_not(self, component: Gate, config: Any) -> None:
        """It may raise, which denies; it may not allow whom it refused before."""
        if self.fails is None:
            return
        route = Route(host="a.example", token="contract", gate=self.Component.name, gate_config=tuple(config.items()))
        try:
            verdict = component.check(self.head(self.fails), route)
        except (ZrokdError, ValueError, TypeError, KeyError):
            return
        assert isinstance(verdict, Respond)
