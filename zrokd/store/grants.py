"""What the operator allows an account beside namespaces: closed frontends, and visitors who are not warned."""

from __future__ import annotations

from zrokd.store.tables import FrontendGrant, SkipInterstitialGrant


def grant_frontend(frontend_id: int, account_id: int) -> None:
    """Let the account use a closed frontend. Idempotent."""
    FrontendGrant.insert(frontend=frontend_id, account=account_id).on_conflict_ignore().execute()


def revoke_frontend(frontend_id: int, account_id: int) -> None:
    """Take that back. Idempotent."""
    FrontendGrant.delete().where(FrontendGrant.frontend == frontend_id, FrontendGrant.account == account_id).execute()


def grant_skip(account_id: int, now_ms: int) -> None:
    """The account's visitors are not warned. Idempotent."""
    SkipInterstitialGrant.insert(account=account_id, created_at_ms=now_ms).on_conflict_ignore().execute()


def revoke_skip(account_id: int) -> None:
    """Take that back. Idempotent."""
    SkipInterstitialGrant.delete().where(SkipInterstitialGrant.account == account_id).execute()


def skips(account_id: int) -> bool:
    """Whether the account's visitors are not warned."""
    return SkipInterstitialGrant.select().where(SkipInterstitialGrant.account == account_id).exists()
