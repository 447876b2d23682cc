"""Which report of usage a frontend made last."""

from __future__ import annotations

from typing import Any

from peewee import Database
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Add it, empty."""
    run: Any = db.execute_sql
    run("ALTER TABLE frontend ADD COLUMN usage_batch VARCHAR(64) NOT NULL DEFAULT ''")


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Take it back."""
    run: Any = db.execute_sql
    run("ALTER TABLE frontend DROP COLUMN usage_batch")
