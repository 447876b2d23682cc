"""Grants to addresses that have no account yet."""

# ruff: noqa: D101, D106

from __future__ import annotations

from peewee import AutoField, CharField, Database, ForeignKeyField, Model
from playhouse.migrate import SchemaMigrator


class Share(Model):
    id = AutoField()

    class Meta:
        legacy_table_names = False


class AwaitedGrant(Model):
    id = AutoField()
    share = ForeignKeyField(Share, on_delete="CASCADE")
    email = CharField(254, index=True)

    class Meta:
        legacy_table_names = False
        indexes = ((("share", "email"), True),)


NEW = (AwaitedGrant,)


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Add it."""
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.create_tables(NEW, safe=False)


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Take it back, and with it the grants of those who did not come yet."""
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.drop_tables(NEW, safe=False)
