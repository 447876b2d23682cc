"""What a token is good for and when it was used, and tokens of administrators."""

# ruff: noqa: D101, D106

from __future__ import annotations

from typing import Any

from peewee import AutoField, BigIntegerField, CharField, Database, Model
from playhouse.migrate import SchemaMigrator


class AdminToken(Model):
    id = AutoField()
    digest = CharField(64, unique=True)
    label = CharField(64, unique=True)
    created_at_ms = BigIntegerField()
    expires_at_ms = BigIntegerField(null=True)
    last_used_at_ms = BigIntegerField(null=True)

    class Meta:
        legacy_table_names = False


NEW = (AdminToken,)
COLUMNS = (("scope", "VARCHAR(16) NOT NULL DEFAULT 'account'"), ("last_used_at_ms", "BIGINT"))


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Add them; every token that there is may do what its account may."""
    run: Any = db.execute_sql
    for column, kind in COLUMNS:
        run(f"ALTER TABLE account_token ADD COLUMN {column} {kind}")
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.create_tables(NEW, safe=False)


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Take them back. A token that was good for less than its account must not be good for all: it ends."""
    run: Any = db.execute_sql
    run("DELETE FROM account_token WHERE scope <> 'account'")
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.drop_tables(NEW, safe=False)
    for column, _ in reversed(COLUMNS):
        run(f"ALTER TABLE account_token DROP COLUMN {column}")
