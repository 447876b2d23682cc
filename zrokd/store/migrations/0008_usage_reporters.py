"""Which report of usage each process made last, in place of each frontend."""

# ruff: noqa: D101, D106

from __future__ import annotations

from typing import Any

from peewee import AutoField, BigIntegerField, CharField, Database, Model
from playhouse.migrate import SchemaMigrator


class UsageReporter(Model):
    id = AutoField()
    source = CharField(160)
    reporter = CharField(64)
    batch = CharField(64)
    at_ms = BigIntegerField(index=True)

    class Meta:
        legacy_table_names = False
        indexes = ((("source", "reporter"), True),)


NEW = (UsageReporter,)


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Add it; what frontends of before reported last is known."""
    run: Any = db.execute_sql
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.create_tables(NEW, safe=False)
    run(
        "INSERT INTO usage_reporter (source, reporter, batch, at_ms)"
        " SELECT 'frontend ' || name, '', usage_batch, updated_at_ms FROM frontend WHERE usage_batch <> ''"
    )
    run("ALTER TABLE frontend DROP COLUMN usage_batch")


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Take it back; what was reported last is forgotten."""
    run: Any = db.execute_sql
    run("ALTER TABLE frontend ADD COLUMN usage_batch VARCHAR(64) NOT NULL DEFAULT ''")
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.drop_tables(NEW, safe=False)
