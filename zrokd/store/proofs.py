"""What people must show once: registrations and resets under way, and invites. All by the digest of a token."""

from __future__ import annotations

from collections.abc import Iterable

from zrokd.store import tables
from zrokd.store.failures import taken
from zrokd.store.tables import Invite, RegistrationRequest, ResetRequest


def add_registration(email: str, digest: str, source_address: str, now_ms: int, expires_at_ms: int) -> None:
    """Somebody wants an account; what the address asked for before is void."""
    RegistrationRequest.delete().where(RegistrationRequest.email == email).execute()
    RegistrationRequest.create(
        email=email,
        digest=digest,
        source_address=source_address,
        created_at_ms=now_ms,
        expires_at_ms=expires_at_ms,
    )


def registration(digest: str, now_ms: int) -> str | None:
    """The e-mail address that this proves, or None."""
    row = RegistrationRequest.get_or_none(
        (RegistrationRequest.digest == digest) & (RegistrationRequest.expires_at_ms > now_ms)
    )
    return None if row is None else row.email


def renew_registration(email: str, digest: str, expires_at_ms: int) -> bool:
    """This proves the address in place of what did before; False: it asks for no account any more."""
    changes = {"digest": digest, "expires_at_ms": expires_at_ms}
    mine = RegistrationRequest.email == email
    return bool(RegistrationRequest.update(changes).where(mine).execute())


def end_registrations(email: str) -> None:
    """Those of the address are void."""
    RegistrationRequest.delete().where(RegistrationRequest.email == email).execute()


def add_reset(account_id: int, digest: str, now_ms: int, expires_at_ms: int) -> None:
    """Somebody forgot a password; what was asked for before is void."""
    end_resets(account_id)
    ResetRequest.create(account=account_id, digest=digest, created_at_ms=now_ms, expires_at_ms=expires_at_ms)


def renew_reset(email: str, digest: str, expires_at_ms: int) -> bool:
    """This lets the account's password be changed in place of what did before; False: nobody wants that any more."""
    whose = tables.Account.select(tables.Account.id).where(
        tables.Account.deleted_at_ms.is_null(), tables.Account.email == email
    )
    changes = {"digest": digest, "expires_at_ms": expires_at_ms}
    return bool(ResetRequest.update(changes).where(ResetRequest.account << whose).execute())


def reset(digest: str, now_ms: int) -> int | None:
    """The account whose password this may change, or None."""
    live = (
        tables.Account.select(tables.Account.id)
        .join(ResetRequest)
        .where(
            tables.Account.deleted_at_ms.is_null(), ResetRequest.digest == digest, ResetRequest.expires_at_ms > now_ms
        )
    )
    row = live.first()
    return None if row is None else row.id


def end_resets(account_id: int) -> None:
    """Those of the account are void."""
    ResetRequest.delete().where(ResetRequest.account == account_id).execute()


def add_invites(digests: Iterable[str], now_ms: int) -> None:
    """Each lets one account register. :raises Conflict: one is there already."""
    with taken("one of these invite tokens is in use already"):
        for digest in digests:
            Invite.create(digest=digest, created_at_ms=now_ms)


def take_invite(digest: str, now_ms: int) -> bool:
    """Use an invite up. Whether it was good."""
    good = Invite.expires_at_ms.is_null() | (Invite.expires_at_ms > now_ms)
    return bool(Invite.delete().where(Invite.digest == digest, good).execute())


def prune(now_ms: int) -> int:
    """Forget what has expired. How many."""
    return sum(
        int(table.delete().where(table.expires_at_ms <= now_ms).execute())
        for table in (RegistrationRequest, ResetRequest, Invite)
    )
