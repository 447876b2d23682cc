"""All nouns as tables. Times are Unix milliseconds; secrets are kept as SHA-256 in hex; JSON is text.

A row with `live` = false is on its way: a saga makes it or takes it away, and an intent says which. Rows with
`deleted_at_ms` are history: everybody who reads such a table asks for the ones where it is null. Beside a foreign key
stands the column's own value, annotated where somebody reads it.
"""

from __future__ import annotations

from peewee import (
    AutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    DatabaseProxy,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)

database = DatabaseProxy()


class Table(Model):
    """Base of every table."""

    id = AutoField()

    class Meta:
        """Bound to the store that was made last."""

        database = database
        legacy_table_names = False


class Meta(Table):
    """Facts about the store itself."""

    key = CharField(64, unique=True)
    value = TextField()


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
    """An API token of an account."""

    account = ForeignKeyField(Account, on_delete="CASCADE")
    digest = CharField(64, unique=True)
    label = CharField(64, default="")
    created_at_ms = BigIntegerField()
    expires_at_ms = BigIntegerField(null=True)


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


class AppliedLimitClass(Table):
    """A limit class that an account is in."""

    account = ForeignKeyField(Account, on_delete="CASCADE")
    limit_class = ForeignKeyField(LimitClass, on_delete="CASCADE")

    class Meta:
        """Once each."""

        indexes = ((("account", "limit_class"), True),)


class Environment(Table):
    """An enabled host. `z_id` is null until the overlay has made its identity."""

    account = ForeignKeyField(Account, on_delete="CASCADE")
    account_id: int
    z_id = CharField(128, null=True, unique=True)
    description = TextField(default="")
    host = TextField(default="")
    address = CharField(64, default="")
    live = BooleanField(default=False)
    created_at_ms = BigIntegerField()
    updated_at_ms = BigIntegerField()


class Share(Table):
    """Something offered."""

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
    """An account that may have an access to a closed share."""

    share = ForeignKeyField(Share, on_delete="CASCADE")
    account = ForeignKeyField(Account, on_delete="CASCADE")

    class Meta:
        """Once each."""

        indexes = ((("share", "account"), True),)


class Access(Table):
    """A private listener onto a share. It ends with the share and with its own environment."""

    environment = ForeignKeyField(Environment, on_delete="CASCADE")
    share = ForeignKeyField(Share, on_delete="CASCADE")
    token = CharField(32, unique=True)
    bind_address = CharField(255, default="")
    description = TextField(default="")
    live = BooleanField(default=False)
    created_at_ms = BigIntegerField()
    updated_at_ms = BigIntegerField()


class Namespace(Table):
    """A DNS zone of names."""

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
    """An account that may use a closed namespace."""

    namespace = ForeignKeyField(Namespace, on_delete="CASCADE")
    account = ForeignKeyField(Account, on_delete="CASCADE")

    class Meta:
        """Once each."""

        indexes = ((("namespace", "account"), True),)


class Name(Table):
    """A label in a namespace. One that is not reserved ends with the share that uses it."""

    namespace = ForeignKeyField(Namespace, on_delete="CASCADE")
    namespace_id: int
    account = ForeignKeyField(Account, on_delete="CASCADE")
    account_id: int
    name = CharField(63)
    reserved = BooleanField(default=True)
    created_at_ms = BigIntegerField()
    updated_at_ms = BigIntegerField()
    deleted_at_ms = BigIntegerField(null=True)


Name.add_index(Name.namespace, Name.name, unique=True, where=Name.deleted_at_ms.is_null(), name="name_live")


class ShareName(Table):
    """A name in use. It serves one share; a share may have several."""

    share = ForeignKeyField(Share, on_delete="CASCADE")
    share_id: int
    name = ForeignKeyField(Name, on_delete="CASCADE", unique=True)
    name_id: int


class Frontend(Table):
    """A public entrance run by the operator."""

    name = CharField(64, unique=True)
    digest = CharField(64, unique=True)
    created_at_ms = BigIntegerField()
    updated_at_ms = BigIntegerField()


class NamespaceFrontend(Table):
    """A frontend that serves a namespace."""

    namespace = ForeignKeyField(Namespace, on_delete="CASCADE")
    frontend = ForeignKeyField(Frontend, on_delete="CASCADE")
    frontend_id: int

    class Meta:
        """Once each."""

        indexes = ((("namespace", "frontend"), True),)


class Mapping(Table):
    """Host -> share token as frontends are told it; an empty token says that the host is gone.

    A change takes the row away and puts another with the next version; versions come from one counter (`meta`), whose
    row stays locked until commit, so that they become visible in their order.
    """

    version = BigIntegerField(unique=True)
    host = CharField(255, unique=True)
    namespace = ForeignKeyField(Namespace, on_delete="CASCADE")
    namespace_id: int
    token = CharField(32, default="", index=True)
    mode = CharField(32, default="")
    gate = CharField(32, default="")
    gate_config = TextField(default="{}")
    changed_at_ms = BigIntegerField()

    class Meta:
        """A frontend asks for what is new in its namespaces."""

        indexes = ((("namespace", "version"), False),)


class UsageSample(Table):
    """Bytes of a share in an interval that ended at `at_ms`. Outlives share and environment."""

    account = ForeignKeyField(Account, on_delete="CASCADE")
    env_z_id = CharField(128)
    share_token = CharField(32)
    rx_bytes = BigIntegerField()
    tx_bytes = BigIntegerField()
    at_ms = BigIntegerField()

    class Meta:
        """By share and time, and by account and time."""

        indexes = ((("share_token", "at_ms"), False), (("account", "at_ms"), False))


class Intent(Table):
    """Work begun on the overlay and not yet settled here. One per subject: it is the subject's lock, too.

    `worker` is the run of a controller that is at it, or empty: it failed, and whoever comes by may go on.
    """

    verb = CharField(8)
    kind = CharField(16)
    subject = CharField(128)
    payload = TextField(default="{}")
    worker = CharField(32)
    started_at_ms = BigIntegerField()

    class Meta:
        """One at a time."""

        indexes = ((("kind", "subject"), True),)


ALL: tuple[type[Table], ...] = (
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
