"""Bytes that are used up, and the shares that nobody is let through to meanwhile."""

# ruff: noqa: D101, D106

from __future__ import annotations

from typing import Any

from peewee import AutoField, BigIntegerField, CharField, Database, ForeignKeyField, IntegerField, Model
from playhouse.migrate import SchemaMigrator


class Account(Model):
    id = AutoField()

    class Meta:
        legacy_table_names = False


class Overrun(Model):
    id = AutoField()
    account = ForeignKeyField(Account, on_delete="CASCADE")
    class_id = IntegerField()
    mode = CharField(32)
    action = CharField(8)
    since_ms = BigIntegerField()

    class Meta:
        legacy_table_names = False
        indexes = ((("account", "class_id", "action"), True),)


NEW = (Overrun,)
COLUMNS = (("share", "limited"), ("share", "barred"), ("mapping", "limited"))


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Add them; nothing is limited."""
    run: Any = db.execute_sql
    for table, column in COLUMNS:
        run(f"ALTER TABLE {table} ADD COLUMN {column} BOOLEAN NOT NULL DEFAULT FALSE")
    run('CREATE INDEX "share_to_bar" ON "share" ("id") WHERE ("limited" != "barred")')
    with db.bind_ctx((Account, *NEW), bind_refs=False, bind_backrefs=False):
        db.create_tables(NEW, safe=False)


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Take them back. What is barred on the overlay stays so there."""
    run: Any = db.execute_sql
    with db.bind_ctx((Account, *NEW), bind_refs=False, bind_backrefs=False):
        db.drop_tables(NEW, safe=False)
    run('DROP INDEX "share_to_bar"')
    for table, column in reversed(COLUMNS):
        run(f"ALTER TABLE {table} DROP COLUMN {column}")
