"""What stands between a visitor and a share: the gate that the share chose, the filters that the operator ordered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from zrokd.contracts import Filter, Gate
from zrokd.errors import MessageError, ZrokdError
from zrokd.model.http import Allow, RequestHead, Respond, ResponseHead, Route, Verdict
from zrokd.net.faults import faults, within
from zrokd.net.http1.pages import standard_page
from zrokd.proxy.headers import inbound, with_identity

_MOST_TOLD = 1000
_GATE_LIMIT_S = 10.0


class Rules:
    """One state of the operator's rules. A reload makes another; a request keeps to the one it began with."""

    def __init__(
        self,
        route: Callable[[RequestHead], Route],
        gates: Mapping[str, Gate],
        filters: Sequence[Filter],
        log: logging.Logger,
    ) -> None:
        """`route` decides where a request goes, and raises ZrokdError when nowhere."""
        self.route, self.gates, self.filters, self._log = route, dict(gates), tuple(filters), log
        self._before = [each for each in self.filters if each.before_gate]
        self._behind = [each for each in self.filters if not each.before_gate]
        self._changing = [each.on_response for each in reversed(self.filters) if _changes_answers(each)]
        self._told: set[tuple[str, str]] = set()  # shares whose gate is missing

    def find(self, head: RequestHead, server_name: str) -> Route:
        """Where a request goes, on a connection that was made for the host `server_name` ("": for any).

        :raises MessageError: 421, for the share of another name. Source: RFC 9110 §15.5.20.
        :raises ZrokdError: nowhere.
        """
        route = self.route(head)
        if server_name and server_name != route.host and self._token_of(server_name) != route.token:
            raise MessageError(421, f"a connection made for {server_name!r} asks for {route.host!r}")
        return route

    def _token_of(self, host: str) -> str:
        try:
            return self.route(RequestHead(b"GET", b"/", 1, ((b"Host", host.encode("latin-1", "replace")),))).token
        except ZrokdError:
            return ""

    def admit(self, head: RequestHead, route: Route, peer: str) -> RequestHead | Respond:
        """The head to send to the share, or the answer in its place. May switch greenlets.

        :raises MessageError: the head breaks a rule of ours.
        """
        admitted = self._filter(self._before, inbound(head), route, peer)
        if route.gate and not isinstance(admitted, Respond):
            admitted = self._gate(admitted, route)
        return admitted if isinstance(admitted, Respond) else self._filter(self._behind, admitted, route, peer)

    def edit(self, head: ResponseHead, route: Route) -> ResponseHead:
        """The answer's head as the visitor gets it. Must not switch greenlets; raises what a filter raises."""
        for on_response in self._changing:
            head = on_response(head, route)
        return head

    def _gate(self, head: RequestHead, route: Route) -> RequestHead | Respond:
        """Fails closed: without the gate that a share wants, or when it raises, nobody passes."""
        gate = self.gates.get(route.gate)
        if gate is None:
            self._tell_missing(route)
            return standard_page(503)
        try:
            return _decided(within(_GATE_LIMIT_S, gate.check, head, route), head)
        except faults():  # whatever a gate raises denies
            self._log.exception("the gate %r failed for share %s, so the visitor is denied", route.gate, route.token)
            return standard_page(500)

    def _tell_missing(self, route: Route) -> None:
        """Once for each share, however many come."""
        if (route.token, route.gate) in self._told:
            return
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told.add((route.token, route.gate))
        self._log.error("share %s wants a gate %r, and none of that name is set up here", route.token, route.gate)

    def _filter(self, filters: Sequence[Filter], head: RequestHead, route: Route, peer: str) -> RequestHead | Respond:
        for each in filters:
            try:
                changed = each.on_request(head, route, peer)
                if not isinstance(changed, RequestHead | Respond):
                    raise TypeError(f"a filter answers a RequestHead or Respond, not {changed!r}")
            except faults():  # whatever a filter raises answers 500
                self._log.exception("the filter %r failed for share %s", each.name, route.token)
                return standard_page(500)
            if isinstance(changed, Respond):
                return changed
            head = changed
        return head


def _changes_answers(filter_: Filter) -> bool:
    return getattr(filter_.on_response, "__func__", None) is not Filter.on_response


def _decided(verdict: Verdict, head: RequestHead) -> RequestHead | Respond:
    if isinstance(verdict, Allow):
        return with_identity(head, verdict.fields, verdict.drop)
    if isinstance(verdict, Respond):
        return verdict
    raise TypeError(f"a gate answers Allow or Respond, not {verdict!r}")
