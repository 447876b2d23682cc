"""Answers to requests that create something, for who did not hear them."""

# ruff: noqa: D101, D106

from __future__ import annotations

from peewee import AutoField, BigIntegerField, CharField, Database, Model, TextField
from playhouse.migrate import SchemaMigrator


class Receipt(Model):
    id = AutoField()
    digest = CharField(64, unique=True)
    request = CharField(64)
    caller = CharField(64, index=True)
    worker = CharField(32)
    answer = TextField()
    at_ms = BigIntegerField(index=True)

    class Meta:
        legacy_table_names = False


NEW = (Receipt,)


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Add them; nothing was asked."""
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.create_tables(NEW, safe=False)


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Take them back; who asks again gets another answer."""
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.drop_tables(NEW, safe=False)
