"""What backends tell of the shares they serve."""

# ruff: noqa: D101, D106

from __future__ import annotations

from peewee import AutoField, BigIntegerField, CharField, Database, ForeignKeyField, IntegerField, Model, TextField
from playhouse.migrate import SchemaMigrator


class Environment(Model):
    id = AutoField()

    class Meta:
        legacy_table_names = False


class Share(Model):
    id = AutoField()

    class Meta:
        legacy_table_names = False


class Backend(Model):
    id = AutoField()
    environment = ForeignKeyField(Environment, on_delete="CASCADE")
    key = CharField(32)
    heard_at_ms = BigIntegerField()
    proven_at_ms = BigIntegerField()

    class Meta:
        legacy_table_names = False
        indexes = ((("environment", "key"), True),)


class Bind(Model):
    id = AutoField()
    backend = ForeignKeyField(Backend, on_delete="CASCADE")
    share = ForeignKeyField(Share, on_delete="CASCADE")
    ends = IntegerField()
    why = TextField()
    since_ms = BigIntegerField()
    proven_at_ms = BigIntegerField()

    class Meta:
        legacy_table_names = False
        indexes = ((("backend", "share"), True),)


NEW = (Backend, Bind)


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Add them."""
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.create_tables(NEW, safe=False)


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Take them back; backends tell anew."""
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.drop_tables(NEW, safe=False)
