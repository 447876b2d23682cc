"""Host -> share token, versioned, as frontends are told it."""

from __future__ import annotations

import json
from collections.abc import Collection

import peewee

from zrokd.model.naming import Mapping, MappingChanges
from zrokd.model.share import Gating, Share
from zrokd.store import grants, meta, names, shares, tables, told
from zrokd.store.tables import NamespaceFrontend

PAGE = 500  # mappings an answer has at most: no site is too large for one, and to read it holds nobody up for long
_NEVER_WARNED = "drive"  # WebDAV clients show no pages
_AFTER = "/"  # between epoch and version in the `next` of a page
_SERVED = """
SELECT DISTINCT mapping.token FROM {told} JOIN mapping ON mapping.token = told.value ->> 0
JOIN namespace_frontend ON namespace_frontend.namespace_id = mapping.namespace_id
JOIN frontend ON frontend.id = namespace_frontend.frontend_id WHERE frontend.name = {value}
"""
_Wanted = dict[str, tuple[int, Mapping]]  # host -> namespace row and mapping (its version not yet given)


def sync(token: str, now_ms: int) -> bool:
    """Make what frontends are told of a share equal to what it is now. Whether something changed.

    The one place where mappings are written; to be called in the transaction that changed the share or its names.
    """
    wanted = _wanted(token)
    present = {row.host: row for row in tables.Mapping.select().where(tables.Mapping.token == token)}
    gone = [row for host, row in present.items() if host not in wanted]
    new = [(ns, m) for host, (ns, m) in wanted.items() if host not in present or _mapping(present[host]) != m]
    for row in gone:
        _put(row.namespace_id, Mapping(version=0, host=row.host), now_ms)
    for namespace_id, mapping in new:
        _put(namespace_id, mapping, now_ms)
    return bool(gone or new)


def warn_some(account_id: int, most: int, now_ms: int) -> bool:
    """Tell of some of the account's shares what a new skip-interstitial grant, or its end, makes of them.

    Whether there may be more.
    """
    hosts = tables.Mapping.select(tables.Mapping.token).distinct()
    hosts = hosts.join(tables.Share, on=(tables.Share.token == tables.Mapping.token)).join(tables.Environment)
    wrong = hosts.where(
        tables.Environment.account == account_id,
        tables.Mapping.mode != _NEVER_WARNED,
        tables.Mapping.interstitial == grants.skips(account_id),
    )
    tokens = [row.token for row in wrong.limit(most)]
    for token in tokens:
        sync(token, now_ms)
    return len(tokens) == most


def changes(frontend_id: int, epoch: str, since: int) -> MappingChanges:
    """What changed for a frontend since a version; all of it when that cannot be told apart.

    At most a page: up to the answer's version. After a delta ask again; after a full one for its `next`.
    """
    ours, latest = meta.epoch(), meta.version()
    asked, _, after = epoch.partition(_AFTER)
    begun = int(after) if asked == ours and after.isascii() and after.isdigit() else None
    full = begun is not None or asked != ours or not meta.pruned_version() <= since <= latest
    rows = _of_frontend(frontend_id, latest).where(tables.Mapping.version > ((begun or 0) if full else since))
    if full and begun is None:  # the rest has deletions: of what was told before
        rows = rows.where(tables.Mapping.token != "")
    told = tuple(_mapping(row, version=row.version) for row in rows.limit(PAGE + 1))
    if len(told) <= PAGE:
        return MappingChanges(epoch=ours, version=latest, full=full, mappings=told)
    last = told[PAGE - 1].version
    following = f"{ours}{_AFTER}{last}" if full else ""
    return MappingChanges(epoch=ours, version=last, full=full, mappings=told[:PAGE], next=following)


def served_tokens(frontend: str, tokens: Collection[str]) -> set[str]:
    """Those of the share tokens that a frontend (by name) is told of."""
    return {token for (token,) in told.run(_SERVED, ((token,) for token in sorted(tokens)), frontend).fetchall()}


def prune(before_ms: int) -> int:
    """Forget deletions older than that; frontends that did not hear of them will need everything. How many."""
    old = (tables.Mapping.token == "") & (tables.Mapping.changed_at_ms < before_ms)
    last = tables.Mapping.select(peewee.fn.MAX(tables.Mapping.version)).where(old).scalar()
    if last is not None:
        meta.set_pruned_version(last)
    return int(tables.Mapping.delete().where(old).execute())


def _wanted(token: str) -> _Wanted:
    share = shares.by_token(token)
    if share is None:
        return {}
    interstitial = share.mode != _NEVER_WARNED and not grants.skips(share.account_id)
    by_host = names.namespaces_by_host(share.id).items()
    return {host: (ns, _mapping_of(share, host, interstitial=interstitial)) for host, ns in by_host}


def _mapping_of(share: Share, host: str, *, interstitial: bool) -> Mapping:
    return Mapping(
        version=0,
        host=host,
        token=share.token,
        mode=share.mode,
        gating=share.gating,
        limited=share.limited,
        interstitial=interstitial,
    )


def _put(namespace_id: int, mapping: Mapping, now_ms: int) -> None:
    tables.Mapping.delete().where(tables.Mapping.host == mapping.host).execute()
    tables.Mapping.create(
        version=meta.next_version(),
        host=mapping.host,
        namespace=namespace_id,
        token=mapping.token,
        mode=mapping.mode,
        gate=mapping.gating.gate,
        gate_config=json.dumps(dict(mapping.gating.config)),
        limited=mapping.limited,
        interstitial=mapping.interstitial,
        changed_at_ms=now_ms,
    )


def _of_frontend(frontend_id: int, latest: int) -> peewee.ModelSelect[tables.Mapping]:
    served = NamespaceFrontend.select(NamespaceFrontend.namespace).where(NamespaceFrontend.frontend == frontend_id)
    return (
        tables.Mapping.select()
        .where(tables.Mapping.namespace << served, tables.Mapping.version <= latest)
        .order_by(tables.Mapping.version)
    )


def _mapping(row: tables.Mapping, version: int = 0) -> Mapping:
    gating = Gating(gate=row.gate, config=json.loads(row.gate_config))
    return Mapping(
        version=version,
        host=row.host,
        token=row.token,
        mode=row.mode,
        gating=gating,
        limited=row.limited,
        interstitial=row.interstitial,
    )
