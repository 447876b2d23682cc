"""The tables of what happened: bytes that went through, changes, and requests that were answered."""

from __future__ import annotations

from peewee import BigIntegerField, CharField, ForeignKeyField, IntegerField, TextField

from zrokd.store.base import Table
from zrokd.store.people import Account


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


class UsagePeriod(Table):
    """Bytes of a share in a period of `span_s` seconds that began at `begin_ms`. Outlives share and environment."""

    span_s = IntegerField()
    account = ForeignKeyField(Account, on_delete="CASCADE")
    env_z_id = CharField(128)
    share_token = CharField(32)
    begin_ms = BigIntegerField()
    rx_bytes = BigIntegerField()
    tx_bytes = BigIntegerField()

    class Meta:
        """By share and by account, and by age."""

        indexes = (
            (("share_token", "span_s", "begin_ms"), True),
            (("account", "span_s", "begin_ms"), False),
            (("span_s", "begin_ms"), False),
        )


class UsageReporter(Table):
    """The last report of one process that counts. `source` is whose credentials it shows."""

    source = CharField(160)
    reporter = CharField(64)
    batch = CharField(64)
    at_ms = BigIntegerField(index=True)

    class Meta:
        """One each."""

        indexes = ((("source", "reporter"), True),)


class AuditRecord(Table):
    """Who did what. `id` is its number in the chain: 1, 2, 3, ... without a gap."""

    at_ms = BigIntegerField(index=True)
    actor = CharField(320)
    via = CharField(128)
    address = CharField(64)
    event = CharField(64)
    subject = CharField(255)
    account = CharField(254)
    outcome = CharField(8)
    facts = TextField()
    digest = CharField(64)


class Receipt(Table):
    """A request that creates something, and its answer, once there is one. Who asked is told by nothing in it but
    `caller`: what is digested and sealed here is so with the token that was shown and the key that was sent.
    """

    digest = CharField(64, unique=True)
    request = CharField(64)
    caller = CharField(64, index=True)
    worker = CharField(32)
    answer = TextField(default="")  # sealed; "": the request runs
    at_ms = BigIntegerField(index=True)


class OutboxLetter(Table):
    """A letter that is not sent yet. No secret: what proves an address is made when it is sent."""

    key = CharField(32, unique=True)
    kind = CharField(16)
    email = CharField(255)
    content = TextField()
    tries = IntegerField(default=0)
    due_at_ms = BigIntegerField(index=True)
