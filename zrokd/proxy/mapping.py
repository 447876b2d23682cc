"""Host name -> share, in memory: a full snapshot first, then versioned deltas that must fit exactly."""

from __future__ import annotations

from collections import Counter

from zrokd.errors import ZrokdError
from zrokd.model.http import Route
from zrokd.model.naming import Mapping, MappingChanges, canonical_host
from zrokd.net.turns import Turns

Tokens = frozenset[str]


class OutOfStep(ZrokdError):
    """A delta does not fit the table: something was lost, doubled or reordered. Only a full snapshot helps."""


class MappingTable:
    """The names of one frontend, for one who writes. A reader sees all of a change or nothing of it."""

    def __init__(self) -> None:
        self._by_host: dict[str, Mapping] = {}
        self._routes: dict[str, Route] = {}  # by host, of those that were asked for
        self._hosts_of: Counter[str] = Counter()  # token -> how many hosts lead to it; to limited ones none does
        self.epoch = ""
        self.version = 0
        self.loaded = False  # whether a snapshot was ever taken

    def __len__(self) -> int:
        return len(self._by_host)

    def lookup(self, host: str) -> Mapping | None:
        """The mapping of a Host value as a visitor sent it: case, port and final dot do not matter."""
        return self.at(canonical_host(host))

    def at(self, host: str) -> Mapping | None:
        """The same of a host in its canonical form."""
        return self._by_host.get(host)

    def route(self, host: str) -> Route | None:
        """Where requests for a host in its canonical form go; None: nowhere, or nowhere now."""
        route = self._routes.get(host)
        if route is None and (mapping := self._by_host.get(host)) and not mapping.limited:
            route = self._routes[host] = _route(host, mapping)
        return route

    def leads_to(self, token: str) -> bool:
        """Whether any host leads to this share now, and lets visitors through."""
        return token in self._hosts_of

    def snapshot(self) -> MappingChanges:
        """All of it, fit for `replace`."""
        return MappingChanges(epoch=self.epoch, version=self.version, full=True, mappings=tuple(self._by_host.values()))

    def replace(self, changes: MappingChanges) -> Tokens:
        """Forget everything and take this full snapshot. The tokens that no host leads to any more.

        Switches greenlets while it is prepared and after it was taken: 40,000 names are a tenth of a second.
        """
        turns = Turns()
        by_host, hosts_of = _prepared(changes, turns)
        old, routes, before = self._by_host, self._routes, self._hosts_of
        self._by_host, self._routes, self._hosts_of = by_host, {}, hosts_of
        self.epoch, self.version, self.loaded = changes.epoch, changes.version, True
        gone = set()
        for token in before:
            turns.pass_on()
            if token not in hosts_of:
                gone.add(token)
        for forgotten in (old, routes):
            while forgotten:  # all at once would take as long as to make them
                forgotten.popitem()
                turns.pass_on()
        return frozenset(gone)

    def apply(self, changes: MappingChanges, since: int | None = None) -> Tokens:
        """Take a delta that was asked for `since` a version (None: the table's own). The tokens that went away.

        A full snapshot is taken as by `replace`.
        :raises OutOfStep: it does not follow on what the table holds; the table is as it was.
        """
        if changes.full:
            return self.replace(changes)
        self._check(changes, self.version if since is None else since)
        left = {self._set(mapping) for mapping in _in_order(changes)}
        self.version = changes.version
        return frozenset(token for token in left if token and not self.leads_to(token))

    def _check(self, changes: MappingChanges, since: int) -> None:
        if not self.loaded or changes.epoch != self.epoch:
            raise OutOfStep(f"the names are counted in {changes.epoch!r} now, and the table in {self.epoch!r}")
        if since != self.version:
            raise OutOfStep(f"a delta since {since} does not follow on {self.version}")
        if changes.version < since or any(not since < m.version <= changes.version for m in changes.mappings):
            raise OutOfStep(f"a delta from {since} to {changes.version} tells of other versions")

    def _set(self, mapping: Mapping) -> str:
        """Take one mapping; the token its host led to before, or ""."""
        host = canonical_host(mapping.host)
        old = self._by_host.pop(host, None)
        self._routes.pop(host, None)
        if old and not old.limited:
            self._count(old.token, -1)
        if not mapping.deleted:
            self._by_host[host] = mapping
        if not mapping.deleted and not mapping.limited:
            self._count(mapping.token, 1)
        return old.token if old else ""

    def _count(self, token: str, by: int) -> None:
        self._hosts_of[token] += by
        if not self._hosts_of[token]:
            del self._hosts_of[token]


def _prepared(changes: MappingChanges, turns: Turns) -> tuple[dict[str, Mapping], Counter[str]]:
    """By host, the latest of each; and how many hosts lead to each token."""
    latest: dict[str, Mapping] = {}
    for mapping in changes.mappings:
        turns.pass_on()
        host = canonical_host(mapping.host)
        if host not in latest or latest[host].version <= mapping.version:
            latest[host] = mapping
    by_host: dict[str, Mapping] = {}
    hosts_of: Counter[str] = Counter()
    for host, mapping in latest.items():
        turns.pass_on()
        if not mapping.deleted:
            by_host[host] = mapping
            if not mapping.limited:
                hosts_of[mapping.token] += 1
    return by_host, hosts_of


def _route(host: str, mapping: Mapping) -> Route:
    gating = mapping.gating
    config = tuple(sorted(gating.config.items())) if gating.config else ()
    return Route(
        host=host,
        token=mapping.token,
        mode=mapping.mode,
        gate=gating.gate,
        gate_config=config,
        interstitial=mapping.interstitial,
    )


def _in_order(changes: MappingChanges) -> list[Mapping]:
    return sorted(changes.mappings, key=lambda mapping: mapping.version)
