"""The tables of who pays: accounts, how one becomes one, organizations, limits."""

from __future__ import annotations

from peewee import BigIntegerField, BooleanField, CharField, ForeignKeyField, IntegerField, TextField

from zrokd.store.base import Table


class Account(Table):
    """Who pays."""

    email = CharField(254)
    password_hash = TextField(default="")
    limitless = BooleanField(default=False)
    created_at_ms = BigIntegerField()
    updated_at_ms = BigIntegerField()
    deleted_at_ms = BigIntegerField(null=True)


Account.add_index(Account.email, unique=True, where=Account.deleted_at_ms.is_null(), name="account_email_live")


class AccountToken(Table):
    """An API token of an account. Several may have one label; those that people name have one each."""

    account = ForeignKeyField(Account, on_delete="CASCADE")
    account_id: int
    digest = CharField(64, unique=True)
    label = CharField(64, default="")
    created_at_ms = BigIntegerField()
    expires_at_ms = BigIntegerField(null=True)
    scope = CharField(16, default="account")
    last_used_at_ms = BigIntegerField(null=True)


class AdminToken(Table):
    """An API token of an administrator, which no account pays for."""

    digest = CharField(64, unique=True)
    label = CharField(64, unique=True)
    created_at_ms = BigIntegerField()
    expires_at_ms = BigIntegerField(null=True)
    last_used_at_ms = BigIntegerField(null=True)


class RegistrationRequest(Table):
    """Somebody who has yet to prove an e-mail address."""

    digest = CharField(64, unique=True)
    email = CharField(254)
    source_address = CharField(64, default="")
    created_at_ms = BigIntegerField()
    expires_at_ms = BigIntegerField(index=True)


class ResetRequest(Table):
    """Somebody who forgot a password."""

    digest = CharField(64, unique=True)
    account = ForeignKeyField(Account, on_delete="CASCADE")
    created_at_ms = BigIntegerField()
    expires_at_ms = BigIntegerField(index=True)


class Invite(Table):
    """A token that lets one account register."""

    digest = CharField(64, unique=True)
    created_at_ms = BigIntegerField()
    expires_at_ms = BigIntegerField(null=True)


class Organization(Table):
    """Accounts that belong together."""

    token = CharField(32, unique=True)
    description = CharField(128, default="")
    created_at_ms = BigIntegerField()


class OrganizationMember(Table):
    """An account in an organization."""

    organization = ForeignKeyField(Organization, on_delete="CASCADE")
    account = ForeignKeyField(Account, on_delete="CASCADE")
    admin = BooleanField(default=False)

    class Meta:
        """Once each."""

        indexes = ((("organization", "account"), True),)


class LimitClass(Table):
    """How many of each an account may have. -1 is endless."""

    label = CharField(64, unique=True)
    environments = IntegerField(default=-1)
    shares = IntegerField(default=-1)
    names = IntegerField(default=-1)
    accesses = IntegerField(default=-1)
    created_at_ms = BigIntegerField()
    backend_mode = CharField(32, default="")  # which shares count; "": all
    period_minutes = IntegerField(default=1440)
    rx_bytes = BigIntegerField(default=-1)
    tx_bytes = BigIntegerField(default=-1)
    total_bytes = BigIntegerField(default=-1)
    limit_action = CharField(8, default="limit")
    updated_at_ms = BigIntegerField(default=0)


class AppliedLimitClass(Table):
    """A limit class that an account is in."""

    account = ForeignKeyField(Account, on_delete="CASCADE")
    limit_class = ForeignKeyField(LimitClass, on_delete="CASCADE")

    class Meta:
        """Once each."""

        indexes = ((("account", "limit_class"), True),)


class Overrun(Table):
    """Bytes of a limit class that an account has used up; it stands until its period allows more."""

    account = ForeignKeyField(Account, on_delete="CASCADE")
    account_id: int
    class_id = IntegerField()  # 0: one of the configuration; a class that went away ends it at the next look
    mode = CharField(32, default="")
    action = CharField(8)
    since_ms = BigIntegerField()

    class Meta:
        """Once each."""

        indexes = ((("account", "class_id", "action"), True),)
