"""What authenticators have in common that know people from elsewhere: from a directory, a provider, the system."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from zrokd.contracts.auth import Directory
from zrokd.contracts.settings import Settings
from zrokd.errors import Denied, Invalid
from zrokd.model.account import Principal, Scope


class PeopleSettings(Settings):
    """Base of their settings."""

    create_accounts: bool = Field(
        default=False,
        description="Whether who has no account is given one. Left out: the operator makes accounts, and who has none "
        "is refused.",
    )
    scope: Literal["read", "share", "account"] = Field(
        default="account", description="What an account may do by this proof, and by tokens that a login gives for it."
    )


def principal_of(
    email: str, directory: Directory, settings: PeopleSettings, *, method: str, admin: bool = False
) -> Principal:
    """Who proved to be the holder of this e-mail address, by the authenticator `method`. May switch greenlets.

    An administrator need not have an account. :raises Denied: no account; the text is for the log.
    """
    try:
        account = directory.make_account(email) if settings.create_accounts else directory.account_by_email(email)
    except Invalid as error:
        raise Denied(str(error)) from error
    if account is None and not admin:
        raise Denied(f"{email!r} has no account here, and `create_accounts` is off")
    return Principal(
        account_id=None if account is None else account.id,
        email=email.strip().lower() if account is None else account.email,
        admin=admin,
        method=method,
        scope=Scope(settings.scope),
    )
