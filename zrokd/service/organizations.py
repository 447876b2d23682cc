"""Organizations: the operator makes them, their admins look at what members have."""

from __future__ import annotations

from zrokd.errors import NotFound
from zrokd.model.account import Principal
from zrokd.model.naming import new_token
from zrokd.model.organization import Member, Membership, Organization
from zrokd.service.checks import check_email, check_text
from zrokd.service.core import Core, account_of
from zrokd.service.overview import Overview, overview_of
from zrokd.store import accounts, organizations, receipts


class Organizations:
    """Organizations and who is in them."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self, description: str) -> Organization:
        """A new one. :raises Invalid: the description cannot be kept."""
        made = Organization(token=new_token(), description=check_text(description, "description", 128))
        now_ms = self._core.clock.now_ms()
        self._core.change("organization.created", made.token, lambda: _add(made, now_ms))
        return made

    def delete(self, token: str) -> None:
        """Take it away; its accounts stay. :raises NotFound: no such organization."""
        self._core.change("organization.deleted", token, lambda: organizations.remove(_require(token)))

    def list(self) -> tuple[Organization, ...]:
        """All, oldest first."""
        return self._core.store.read(organizations.every)

    def put_member(self, token: str, email: str, *, admin: bool) -> None:
        """An account is in it from now on; twice is once. :raises NotFound: no such organization or account."""
        self._core.change(
            "organization.joined",
            token,
            lambda: _put_member(token, email, admin=admin),
            account=check_email(email),
            admin=admin,
        )

    def remove_member(self, token: str, email: str) -> None:
        """An account is not in it any more. :raises NotFound: no such organization, or not in it."""
        self._core.change("organization.left", token, lambda: _remove_member(token, email), account=check_email(email))

    def members(self, token: str) -> tuple[Member, ...]:
        """Who is in it, by address. :raises NotFound: no such organization."""
        return self._core.store.read(lambda: organizations.members(_require(token)))

    # -- of the principal's own ---

    def memberships(self, principal: Principal) -> tuple[Membership, ...]:
        """What the account is in."""
        return self._core.store.read(organizations.memberships, account_of(principal))

    def members_for(self, token: str, principal: Principal) -> tuple[Member, ...]:
        """As `members`, for an admin of it. :raises NotFound: no such organization of which the account is one."""
        return self._core.store.read(lambda: organizations.members(_led_by(token, account_of(principal))))

    def overview_for(self, token: str, email: str, principal: Principal) -> Overview:
        """What a member has, for an admin of the organization.

        :raises NotFound: no such organization of which the account is an admin, or no such member.
        """
        return self._core.store.read(_overview, token, email, account_of(principal))


def _overview(token: str, email: str, admin_id: int) -> Overview:
    organization_id = _led_by(token, admin_id)
    account = accounts.by_email(email.strip().lower())
    if account is None or not organizations.is_member(organization_id, account.id):
        raise _missing()
    return overview_of(account.id)


def _led_by(token: str, account_id: int) -> int:
    row = organizations.find(token)
    if row is None or not organizations.is_admin(row, account_id):
        raise _missing()
    return row


def _require(token: str) -> int:
    row = organizations.find(token)
    if row is None:
        raise _missing()
    return row


def _pair(token: str, email: str) -> tuple[int, int]:
    account = accounts.by_email(check_email(email))
    if account is None:
        raise NotFound("no such account")
    return _require(token), account.id


def _remove_member(token: str, email: str) -> None:
    if not organizations.remove_member(*_pair(token, email)):
        raise NotFound("no such member")


def _missing() -> NotFound:
    return NotFound("no such organization or member")


def _add(organization: Organization, now_ms: int) -> None:
    organizations.add(organization, now_ms)
    receipts.made(organization)


def _put_member(token: str, email: str, *, admin: bool) -> None:
    organizations.put_member(*_pair(token, email), admin=admin)
    receipts.made(None)
