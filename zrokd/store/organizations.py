"""Organizations and who is in them."""

from __future__ import annotations

import peewee

from zrokd.model.organization import Member, Membership, Organization
from zrokd.store import tables
from zrokd.store.tables import Account, OrganizationMember

_LIVE = Account.deleted_at_ms.is_null()


def add(organization: Organization, now_ms: int) -> None:
    """A new one."""
    tables.Organization.create(token=organization.token, description=organization.description, created_at_ms=now_ms)


def find(token: str) -> int | None:
    """The row of this token, or None."""
    row = tables.Organization.get_or_none(tables.Organization.token == token)
    return None if row is None else row.id


def remove(organization_id: int) -> None:
    """It and its memberships are gone; its accounts stay."""
    tables.Organization.delete().where(tables.Organization.id == organization_id).execute()


def every() -> tuple[Organization, ...]:
    """All, oldest first."""
    return tuple(_organization(row) for row in tables.Organization.select().order_by(tables.Organization.id))


def put_member(organization_id: int, account_id: int, *, admin: bool) -> None:
    """The account is in it from now on, as an admin or not. Idempotent."""
    OrganizationMember.insert(organization=organization_id, account=account_id, admin=admin).on_conflict(
        conflict_target=[OrganizationMember.organization, OrganizationMember.account],
        update={OrganizationMember.admin: admin},
    ).execute()


def remove_member(organization_id: int, account_id: int) -> bool:
    """The account is not in it any more. Whether it was."""
    return bool(OrganizationMember.delete().where(_is(organization_id, account_id)).execute())


def members(organization_id: int) -> tuple[Member, ...]:
    """Who is in it, by address."""
    rows = (
        OrganizationMember.select(OrganizationMember, Account)
        .join(Account)
        .where(_LIVE, OrganizationMember.organization == organization_id)
        .order_by(Account.email)
    )
    return tuple(Member(email=row.account.email, admin=row.admin) for row in rows)


def memberships(account_id: int) -> tuple[Membership, ...]:
    """What the account is in, oldest organization first."""
    rows = (
        OrganizationMember.select(OrganizationMember, tables.Organization)
        .join(tables.Organization)
        .where(OrganizationMember.account == account_id)
        .order_by(tables.Organization.id)
    )
    return tuple(Membership(organization=_organization(row.organization), admin=row.admin) for row in rows)


def is_member(organization_id: int, account_id: int) -> bool:
    """Whether the account is in it."""
    return OrganizationMember.select().where(_is(organization_id, account_id)).exists()


def is_admin(organization_id: int, account_id: int) -> bool:
    """Whether the account is in it, as an admin."""
    admin = OrganizationMember.admin == True  # noqa: E712 - an SQL expression
    return OrganizationMember.select().where(_is(organization_id, account_id), admin).exists()


def _is(organization_id: int, account_id: int) -> peewee.Expression:
    return (OrganizationMember.organization == organization_id) & (OrganizationMember.account == account_id)


def _organization(row: tables.Organization) -> Organization:
    return Organization(token=row.token, description=row.description)
