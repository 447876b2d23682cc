"""Letters to people that are not sent yet."""

# ruff: noqa: D101, D106

from __future__ import annotations

from peewee import AutoField, BigIntegerField, CharField, Database, IntegerField, Model, TextField
from playhouse.migrate import SchemaMigrator


class OutboxLetter(Model):
    id = AutoField()
    key = CharField(32, unique=True)
    kind = CharField(16)
    email = CharField(255)
    content = TextField()
    tries = IntegerField()
    due_at_ms = BigIntegerField(index=True)

    class Meta:
        legacy_table_names = False


NEW = (OutboxLetter,)


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Add them; none waits."""
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.create_tables(NEW, safe=False)


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Take them back; those that wait are not sent."""
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.drop_tables(NEW, safe=False)
