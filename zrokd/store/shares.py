"""Shares, and who may have an access to them."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import peewee
from peewee import ColumnBase, Function, fn

from zrokd.errors import LimitReached
from zrokd.model.share import Gating, Permission, Share, ShareDraft, ShareMode
from zrokd.store import accounts, environments, names, tables, told
from zrokd.store.failures import taken
from zrokd.store.tables import AccessGrant, AwaitedGrant, Environment

MOST_GRANTS = 1000  # of a share, to addresses without an account

_IN_ENVIRONMENT = """
SELECT DISTINCT share.token FROM {told} JOIN share ON share.token = told.value ->> 0
WHERE share.environment_id = {value}
"""
_LIVE = tables.Share.live == True  # noqa: E712 - an SQL expression


def reserve(environment_id: int, token: str, draft: ShareDraft, now_ms: int) -> int:
    """The id of a share that is not live yet; it counts already. :raises Conflict: the token is taken."""
    with taken(f"the share token {token!r} is taken"):
        return tables.Share.create(
            environment=environment_id,
            token=token,
            share_mode=draft.share_mode.value,
            permission=draft.permission.value,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            **_offer(draft),
        ).id


def make_live(share_id: int, now_ms: int) -> bool:
    """Let it be seen. False: it or its environment went away meanwhile."""
    here = (tables.Share.id == share_id, environments.is_live(tables.Share.environment))
    return bool(tables.Share.update(live=True, updated_at_ms=now_ms).where(*here).execute())


def revise(share_id: int, draft: ShareDraft, now_ms: int) -> None:
    """Offer something else under the same token."""
    changes = {**_offer(draft), "permission": draft.permission.value, "updated_at_ms": now_ms}
    tables.Share.update(changes).where(tables.Share.id == share_id).execute()


def make_leave(share_id: int, now_ms: int) -> None:
    """It is not live any more."""
    changes = {"live": False, "updated_at_ms": now_ms}
    tables.Share.update(changes).where(tables.Share.id == share_id).execute()


def forget(token: str) -> None:
    """Delete the row, and with it grants and accesses. A live one stays."""
    tables.Share.delete().where(tables.Share.token == token, ~_LIVE).execute()


def by_token(token: str, *, leaving: bool = False) -> Share | None:
    """The live share of this token; with `leaving` also one on its way. Whoever owns it."""
    known = tables.Share.token == token
    return _first(_query().where(known if leaving else known & _LIVE))


def by_id(share_id: int) -> Share | None:
    """The share of this row, live or not."""
    return _first(_query().where(tables.Share.id == share_id))


def of_account(account_id: int) -> tuple[Share, ...]:
    """The account's live ones, oldest first."""
    return _shares(_query().where(_LIVE, Environment.account == account_id))


def of_environment(environment_id: int, *, leaving: bool = False) -> tuple[Share, ...]:
    """Live ones in the environment, oldest first; with `leaving` also those on their way."""
    here = tables.Share.environment == environment_id
    return _shares(_query().where(here if leaving else here & _LIVE))


def to_hide(environment_id: int, most: int) -> tuple[Share, ...]:
    """Some in the environment that are live or use a name."""
    named = fn.EXISTS(tables.ShareName.select().where(tables.ShareName.share == tables.Share.id))
    return _shares(_query().where(tables.Share.environment == environment_id, _LIVE | named).limit(most))


def of_namespace(namespace_id: int) -> tuple[Share, ...]:
    """Live ones with a name in the namespace."""
    used = tables.ShareName.select(tables.ShareName.share).join(tables.Name)
    return _shares(_query().where(_LIVE, tables.Share.id << used.where(tables.Name.namespace == namespace_id)))


def is_live(share: ColumnBase) -> Function:
    """In a query on another table: whether the share of this column is live."""
    return fn.EXISTS(tables.Share.select().where(_LIVE, tables.Share.id == share))


def live_tokens() -> set[str]:
    """Tokens of all live shares."""
    return {row.token for row in tables.Share.select(tables.Share.token).where(_LIVE).namedtuples()}


def all_tokens() -> set[str]:
    """Tokens of all shares, live or not."""
    return {row.token for row in tables.Share.select(tables.Share.token).namedtuples()}


def count(account_id: int) -> int:
    """How many the account has, with those on their way."""
    return tables.Share.select().join(Environment).where(Environment.account == account_id).count()


def is_limited(token: str) -> bool:
    """Whether nobody is to be let through to a share; False when there is none."""
    return tables.Share.select().where(tables.Share.token == token, tables.Share.limited).exists()


def limited_of_environment(environment_id: int) -> tuple[str, ...]:
    """Tokens of the live shares in the environment that nobody is to be let through to."""
    here = (tables.Share.environment == environment_id, _LIVE, tables.Share.limited)
    return tuple(row.token for row in tables.Share.select(tables.Share.token).where(*here).namedtuples())


def tokens_of(environment_id: int, tokens: Collection[str]) -> set[str]:
    """Those of the tokens that are of shares in the environment, live or on their way."""
    rows = told.run(_IN_ENVIRONMENT, ((token,) for token in sorted(tokens)), environment_id)
    return {token for (token,) in rows.fetchall()}


def limits_of_account(account_id: int) -> tuple[tuple[str, str, bool], ...]:
    """Token, mode and whether it is limited, of each of the account's live shares, oldest first."""
    wanted = (tables.Share.token, tables.Share.mode, tables.Share.limited)
    query = tables.Share.select(*wanted).join(Environment).where(_LIVE, Environment.account == account_id)
    rows: Any = query.order_by(tables.Share.id).tuples()
    return tuple((token, mode, bool(limited)) for token, mode, limited in rows)


def limit(tokens: Collection[str], *, limited: bool) -> None:
    """Let nobody, or everybody again, be let through to these."""
    tables.Share.update(limited=limited).where(tables.Share.token << list(tokens)).execute()


def to_bar(most: int) -> tuple[str, ...]:
    """Tokens of some live shares that the overlay has otherwise than they are to be, oldest first."""
    query = tables.Share.select(tables.Share.token).where(_LIVE, tables.Share.limited != tables.Share.barred)
    return tuple(row.token for row in query.order_by(tables.Share.id).limit(most).namedtuples())


def note_barred(token: str, *, barred: bool) -> None:
    """The overlay has it so."""
    tables.Share.update(barred=barred).where(tables.Share.token == token).execute()


def grant(share_id: int, emails: Collection[str]) -> None:
    """Let the accounts of these addresses have an access, now or once there are some. Idempotent.

    :raises LimitReached: too many of the addresses have none.
    """
    known = accounts.ids_by_email(emails)
    for account_id in known.values():
        AccessGrant.insert(share=share_id, account=account_id).on_conflict_ignore().execute()
    for email in [one for one in emails if one not in known]:
        AwaitedGrant.insert(share=share_id, email=email).on_conflict_ignore().execute()
    if AwaitedGrant.select().where(AwaitedGrant.share == share_id).count() > MOST_GRANTS:
        raise LimitReached(f"a share may have up to {MOST_GRANTS} grants")


def revoke(share_id: int, emails: Collection[str]) -> None:
    """Take that back. Idempotent."""
    ids = list(accounts.ids_by_email(emails).values())
    AccessGrant.delete().where(AccessGrant.share == share_id, AccessGrant.account << ids).execute()
    AwaitedGrant.delete().where(AwaitedGrant.share == share_id, AwaitedGrant.email << list(emails)).execute()


def set_grants(share_id: int, emails: Collection[str]) -> None:
    """Let the accounts of these addresses and no others have an access. :raises LimitReached: as `grant`."""
    AccessGrant.delete().where(AccessGrant.share == share_id).execute()
    AwaitedGrant.delete().where(AwaitedGrant.share == share_id).execute()
    grant(share_id, emails)


def is_granted(share_id: int, account_id: int) -> bool:
    """Whether the account was granted an access."""
    return AccessGrant.select().where(AccessGrant.share == share_id, AccessGrant.account == account_id).exists()


def _offer(draft: ShareDraft) -> dict[str, str]:
    return {
        "mode": draft.mode,
        "target": draft.target,
        "gate": draft.gating.gate,
        "gate_config": json.dumps(dict(draft.gating.config)),
    }


def _query() -> peewee.ModelSelect[tables.Share]:
    """As `_shares` reads it: an account may have ten thousand, and an object of peewee's for each costs most of all."""
    share = tables.Share
    columns = (
        share.id, share.token, Environment.z_id, Environment.account, share.share_mode, share.mode, share.target,
        share.gate, share.gate_config, share.permission, share.limited, share.created_at_ms, share.updated_at_ms,
    )  # fmt: skip
    return share.select(*columns).join(Environment).order_by(share.id)


def _first(query: peewee.ModelSelect[tables.Share]) -> Share | None:
    return next(iter(_shares(query)), None)


def _shares(query: peewee.ModelSelect[tables.Share]) -> tuple[Share, ...]:
    rows: list[Any] = list(query.tuples())
    hosts = names.hosts_by_share([row[0] for row in rows])
    return tuple(_share(row, hosts.get(row[0], ())) for row in rows)


def _share(row: tuple[Any, ...], endpoints: tuple[str, ...]) -> Share:
    id_, token, z_id, account, share_mode, mode, target, gate, config, permission, limited, created, updated = row
    return Share(
        id=id_,
        token=token,
        env_z_id=z_id or "",
        account_id=account,
        share_mode=ShareMode(share_mode),
        mode=mode,
        target=target,
        endpoints=endpoints,
        gating=Gating(gate=gate, config=json.loads(config)),
        permission=Permission(permission),
        limited=bool(limited),
        created_at_ms=created,
        updated_at_ms=updated,
    )
