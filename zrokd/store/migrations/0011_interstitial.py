"""Whether visitors of a name are warned first."""

from __future__ import annotations

from typing import Any

from peewee import Database
from playhouse.migrate import SchemaMigrator

_TRUSTED = """
UPDATE mapping SET interstitial = FALSE WHERE mode = 'drive' OR token IN (
  SELECT share.token FROM share JOIN environment ON environment.id = share.environment_id
  JOIN skip_interstitial_grant ON skip_interstitial_grant.account_id = environment.account_id)
"""


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Add it, as the grants say."""
    run: Any = db.execute_sql
    run("ALTER TABLE mapping ADD COLUMN interstitial BOOLEAN NOT NULL DEFAULT TRUE")
    run(_TRUSTED)
    run("UPDATE meta SET value = value || 'i' WHERE key = 'epoch'")  # frontends ask for all names again


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Take it back."""
    run: Any = db.execute_sql
    run("ALTER TABLE mapping DROP COLUMN interstitial")
