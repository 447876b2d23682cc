"""All nouns as tables. Times are Unix milliseconds; secrets are kept as SHA-256 in hex; JSON is text.

A row with `live` = false is on its way: a saga makes it or takes it away, and an intent says which. Rows with
`deleted_at_ms` are history: everybody who reads such a table asks for the ones where it is null. Beside a foreign key
stands the column's own value, annotated where somebody reads it. Those of who pays stand in `people`, those of
what happened in `records`.
"""

# ruff: noqa: PLC0414 - an alias of the same name says that a table is offered here, too

from __future__ import annotations

from peewee import (
    BigIntegerField,
    BooleanField,
    CharField,
    ForeignKeyField,
    IntegerField,
    TextField,
)

from zrokd.model.naming import new_token
from zrokd.store.base import Table as Table
from zrokd.store.base import database as database
from zrokd.store.people import Account as Account
from zrokd.store.people import AccountToken as AccountToken
from zrokd.store.people import AdminToken as AdminToken
from zrokd.store.people import AppliedLimitClass as AppliedLimitClass
from zrokd.store.people import Invite as Invite
from zrokd.store.people import LimitClass as LimitClass
from zrokd.store.people import Organization as Organization
from zrokd.store.people import OrganizationMember as OrganizationMember
from zrokd.store.people import Overrun as Overrun
from zrokd.store.people import RegistrationRequest as RegistrationRequest
from zrokd.store.people import ResetRequest as ResetRequest
from zrokd.store.records import AuditRecord as AuditRecord
from zrokd.store.records import OutboxLetter as OutboxLetter
from zrokd.store.records import Receipt as Receipt
from zrokd.store.records import UsagePeriod as UsagePeriod
from zrokd.store.records import UsageReporter as UsageReporter
from zrokd.store.records import UsageSample as UsageSample


class Meta(Table):
    """Facts about the store itself."""

    key = CharField(64, unique=True)
    value = TextField()


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
    limited = BooleanField(default=False)  # nobody is to be let through
    barred = BooleanField(default=False)  # nobody is let through by the overlay


Share.add_index(Share.id, where=Share.limited != Share.barred, name="share_to_bar")


class AccessGrant(Table):
    """An account that may have an access to a closed share."""

    share = ForeignKeyField(Share, on_delete="CASCADE")
    account = ForeignKeyField(Account, on_delete="CASCADE")

    class Meta:
        """Once each."""

        indexes = ((("share", "account"), True),)


class AwaitedGrant(Table):
    """An address without an account that may have an access as soon as it has one. Nobody is told which they are."""

    share = ForeignKeyField(Share, on_delete="CASCADE")
    share_id: int
    email = CharField(254, index=True)

    class Meta:
        """Once each."""

        indexes = ((("share", "email"), True),)


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
    token = CharField(32, default=new_token, unique=True)  # what it is called by, no secret
    z_id = CharField(128, default="")
    url_template = CharField(1024, default="")
    permission = CharField(8, default="open")
    dynamic = BooleanField(default=False)


class FrontendGrant(Table):
    """An account that may use a closed frontend."""

    frontend = ForeignKeyField(Frontend, on_delete="CASCADE")
    account = ForeignKeyField(Account, on_delete="CASCADE")

    class Meta:
        """Once each."""

        indexes = ((("frontend", "account"), True),)


class OperatorIdentity(Table):
    """An overlay identity that the operator asked for: of a frontend that is not ours."""

    name = CharField(128, unique=True)
    z_id = CharField(128, unique=True)
    created_at_ms = BigIntegerField()


class SkipInterstitialGrant(Table):
    """An account whose visitors are not warned first."""

    account = ForeignKeyField(Account, on_delete="CASCADE", unique=True)
    created_at_ms = BigIntegerField()


class AgentEnrollment(Table):
    """An environment whose agent the controller may talk to, over the overlay service `token`."""

    environment = ForeignKeyField(Environment, on_delete="CASCADE", unique=True)
    environment_id: int
    token = CharField(32, unique=True)
    created_at_ms = BigIntegerField()


class NamespaceFrontend(Table):
    """A frontend that serves a namespace."""

    namespace = ForeignKeyField(Namespace, on_delete="CASCADE")
    frontend = ForeignKeyField(Frontend, on_delete="CASCADE")
    frontend_id: int
    is_default = BooleanField(default=False)  # of the frontend: one at most
    created_at_ms = BigIntegerField(default=0)

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
    limited = BooleanField(default=False)
    interstitial = BooleanField(default=True)

    class Meta:
        """A frontend asks for what is new in its namespaces."""

        indexes = ((("namespace", "version"), False),)


class Backend(Table):
    """A process that serves shares of an environment, as it tells of itself. `key` is a word of its own."""

    environment = ForeignKeyField(Environment, on_delete="CASCADE")
    key = CharField(32)
    heard_at_ms = BigIntegerField()
    proven_at_ms = BigIntegerField()  # all that it serves was dialled since

    class Meta:
        """Once each."""

        indexes = ((("environment", "key"), True),)


class Bind(Table):
    """What a backend tells of a share: an empty `why` says that visitors reach it."""

    backend = ForeignKeyField(Backend, on_delete="CASCADE")
    share = ForeignKeyField(Share, on_delete="CASCADE")
    ends = IntegerField()
    why = TextField()
    since_ms = BigIntegerField()
    proven_at_ms = BigIntegerField()

    class Meta:
        """Once each."""

        indexes = ((("backend", "share"), True),)


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
    AdminToken,
    RegistrationRequest,
    ResetRequest,
    Invite,
    Organization,
    OrganizationMember,
    LimitClass,
    AppliedLimitClass,
    Overrun,
    Environment,
    Share,
    AccessGrant,
    AwaitedGrant,
    Access,
    Namespace,
    NamespaceGrant,
    Name,
    ShareName,
    Frontend,
    FrontendGrant,
    OperatorIdentity,
    SkipInterstitialGrant,
    AgentEnrollment,
    NamespaceFrontend,
    Mapping,
    Backend,
    Bind,
    UsageSample,
    UsagePeriod,
    UsageReporter,
    Receipt,
    OutboxLetter,
    AuditRecord,
    Intent,
)
