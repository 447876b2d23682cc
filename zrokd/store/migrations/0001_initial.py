"""All tables of the first release, frozen: what the tables become later stands in later migrations."""

# ruff: noqa: D101, D106

from __future__ import annotations

from peewee import (
    AutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)
from playhouse.migrate import SchemaMigrator


class Table(Model):
    id = AutoField()

    class Meta:
        legacy_table_names = False


class Meta(Table):
    key = CharField(64, unique=True)
    value = TextField()


class Account(Table):
    email = CharField(254)
    password_hash = TextField(default="")
    limitless = BooleanField(default=False)
    created_at_ms = BigIntegerField()
    updated_at_ms = BigIntegerField()
    deleted_at_ms = BigIntegerField(null=True)


Account.add_index(Account.email, unique=True, where=Account.deleted_at_ms.is_null(), name="account_email_live")


class AccountToken(Table):
    account = ForeignKeyField(Account, on_delete="CASCADE")
    digest = CharField(64, unique=True)
    label = CharField(64, default="")
    created_at_ms = BigIntegerField()
    expires_at_ms = BigIntegerField(null=True)


class RegistrationRequest(Table):
    digest = CharField(64, unique=True)
    email = CharField(254)
    source_address = CharField(64, default="")
    created_at_ms = BigIntegerField()
    expires_at_ms = BigIntegerField(index=True)


class ResetRequest(Table):
    digest = CharField(64, unique=True)
    account = ForeignKeyField(Account, on_delete="CASCADE")
    created_at_ms = BigIntegerField()
    expires_at_ms = BigIntegerField(index=True)


class Invite(Table):
    digest = CharField(64, unique=True)
    created_at_ms = BigIntegerField()
    expires_at_ms = BigIntegerField(null=True)


class Organization(Table):
    token = CharField(32, unique=True)
    description = CharField(128, default="")
    created_at_ms = BigIntegerField()


class OrganizationMember(Table):
    organization = ForeignKeyField(Organization, on_delete="CASCADE")
    account = ForeignKeyField(Account, on_delete="CASCADE")
    admin = BooleanField(default=False)

    class Meta:
        indexes = ((("organization", "account"), True),)


class LimitClass(Table):
    label = CharField(64, unique=True)
    environments = IntegerField(default=-1)
    shares = IntegerField(default=-1)
    names = IntegerField(default=-1)
    accesses = IntegerField(default=-1)
    created_at_ms = BigIntegerField()


class AppliedLimitClass(Table):
    account = ForeignKeyField(Account, on_delete="CASCADE")
    limit_class = ForeignKeyField(LimitClass, on_delete="CASCADE")

    class Meta:
        indexes = ((("account", "limit_class"), True),)


class Environment(Table):
    account = ForeignKeyField(Account, on_delete="CASCADE")
    z_id = CharField(128, null=True, unique=True)
    description = TextField(default="")
    host = TextField(default="")
    address = CharField(64, default="")
    live = BooleanField(default=False)
    created_at_ms = BigIntegerField()
    updated_at_ms = BigIntegerField()


class Share(Table):
    environment = ForeignKeyField(Environment, on_delete="CASCADE")
    token = CharField(32, unique=True)
    share_mode = CharField(8)
    mode = CharField(32)
    target = TextField(default="")
    gate = CharField(32, default="")
    gate_config = TextField(default="{}")
    permission = CharField(8)
    live = BooleanField(default=False)
    created_at_ms = BigIntegerField()
    updated_at_ms = BigIntegerField()


class AccessGrant(Table):
    share = ForeignKeyField(Share, on_delete="CASCADE")
    account = ForeignKeyField(Account, on_delete="CASCADE")

    class Meta:
        indexes = ((("share", "account"), True),)


class Access(Table):
    environment = ForeignKeyField(Environment, on_delete="CASCADE")
    share = ForeignKeyField(Share, on_delete="CASCADE")
    token = CharField(32, unique=True)
    bind_address = CharField(255, default="")
    description = TextField(default="")
    live = BooleanField(default=False)
    created_at_ms = BigIntegerField()
    updated_at_ms = BigIntegerField()


class Namespace(Table):
    token = CharField(64)
    zone = CharField(180)
    description = TextField(default="")
    open = BooleanField(default=False)
    url = CharField(255, default="http://{host}")
    created_at_ms = BigIntegerField()
    updated_at_ms = BigIntegerField()
    deleted_at_ms = BigIntegerField(null=True)


Namespace.add_index(Namespace.token, unique=True, where=Namespace.deleted_at_ms.is_null(), name="namespace_token_live")
Namespace.add_index(Namespace.zone, unique=True, where=Namespace.deleted_at_ms.is_null(), name="namespace_zone_live")


class NamespaceGrant(Table):
    namespace = ForeignKeyField(Namespace, on_delete="CASCADE")
    account = ForeignKeyField(Account, on_delete="CASCADE")

    class Meta:
        indexes = ((("namespace", "account"), True),)


class Name(Table):
    namespace = ForeignKeyField(Namespace, on_delete="CASCADE")
    account = ForeignKeyField(Account, on_delete="CASCADE")
    name = CharField(63)
    reserved = BooleanField(default=True)
    created_at_ms = BigIntegerField()
    updated_at_ms = BigIntegerField()
    deleted_at_ms = BigIntegerField(null=True)


Name.add_index(Name.namespace, Name.name, unique=True, where=Name.deleted_at_ms.is_null(), name="name_live")


class ShareName(Table):
    share = ForeignKeyField(Share, on_delete="CASCADE")
    name = ForeignKeyField(Name, on_delete="CASCADE", unique=True)


class Frontend(Table):
    name = CharField(64, unique=True)
    digest = CharField(64, unique=True)
    created_at_ms = BigIntegerField()
    updated_at_ms = BigIntegerField()


class NamespaceFrontend(Table):
    namespace = ForeignKeyField(Namespace, on_delete="CASCADE")
    frontend = ForeignKeyField(Frontend, on_delete="CASCADE")

    class Meta:
        indexes = ((("namespace", "frontend"), True),)


class Mapping(Table):
    version = BigIntegerField(unique=True)
    host = CharField(255, unique=True)
    namespace = ForeignKeyField(Namespace, on_delete="CASCADE")
    token = CharField(32, default="", index=True)
    mode = CharField(32, default="")
    gate = CharField(32, default="")
    gate_config = TextField(default="{}")
    changed_at_ms = BigIntegerField()

    class Meta:
        indexes = ((("namespace", "version"), False),)


class UsageSample(Table):
    account = ForeignKeyField(Account, on_delete="CASCADE")
    env_z_id = CharField(128)
    share_token = CharField(32)
    rx_bytes = BigIntegerField()
    tx_bytes = BigIntegerField()
    at_ms = BigIntegerField()

    class Meta:
        indexes = ((("share_token", "at_ms"), False), (("account", "at_ms"), False))


class Intent(Table):
    verb = CharField(8)
    kind = CharField(16)
    subject = CharField(128)
    payload = TextField(default="{}")
    worker = CharField(32)
    started_at_ms = BigIntegerField()

    class Meta:
        indexes = ((("kind", "subject"), True),)


ALL = (
    Meta,
    Account,
    AccountToken,
    RegistrationRequest,
    ResetRequest,
    Invite,
    Organization,
    OrganizationMember,
    LimitClass,
    AppliedLimitClass,
    Environment,
    Share,
    AccessGrant,
    Access,
    Namespace,
    NamespaceGrant,
    Name,
    ShareName,
    Frontend,
    NamespaceFrontend,
    Mapping,
    UsageSample,
    Intent,
)


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Make them."""
    with db.bind_ctx(ALL):
        db.create_tables(ALL, safe=False)


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Drop them with all they hold."""
    with db.bind_ctx(ALL):
        db.drop_tables(ALL, safe=False)
