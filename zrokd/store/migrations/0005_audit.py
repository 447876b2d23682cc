"""The audit trail."""

# ruff: noqa: D101, D106

from __future__ import annotations

from typing import Any

from peewee import AutoField, BigIntegerField, CharField, Database, Model, TextField
from playhouse.migrate import SchemaMigrator


class AuditRecord(Model):
    id = AutoField()
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

    class Meta:
        legacy_table_names = False


NEW = (AuditRecord,)


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Begin it."""
    with db.bind_ctx(NEW):
        db.create_tables(NEW, safe=False)


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Give it up."""
    with db.bind_ctx(NEW):
        db.drop_tables(NEW, safe=False)
    run: Any = db.execute_sql
    run("DELETE FROM meta WHERE key IN ('audit_head', 'audit_checkpoint')")
