"""What the rest of zrok's API needs: frontends, identities, agents, limit classes, usage by period."""

# ruff: noqa: D101, D106

from __future__ import annotations

import secrets
from typing import Any

from peewee import (
    AutoField,
    BigIntegerField,
    CharField,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
)
from playhouse.migrate import SchemaMigrator


class Table(Model):
    id = AutoField()

    class Meta:
        legacy_table_names = False


class Account(Table):
    pass


class Environment(Table):
    pass


class Frontend(Table):
    pass


class FrontendGrant(Table):
    frontend = ForeignKeyField(Frontend, on_delete="CASCADE")
    account = ForeignKeyField(Account, on_delete="CASCADE")

    class Meta:
        indexes = ((("frontend", "account"), True),)


class OperatorIdentity(Table):
    name = CharField(128, unique=True)
    z_id = CharField(128, unique=True)
    created_at_ms = BigIntegerField()


class SkipInterstitialGrant(Table):
    account = ForeignKeyField(Account, on_delete="CASCADE", unique=True)
    created_at_ms = BigIntegerField()


class AgentEnrollment(Table):
    environment = ForeignKeyField(Environment, on_delete="CASCADE", unique=True)
    token = CharField(32, unique=True)
    created_at_ms = BigIntegerField()


class UsagePeriod(Table):
    span_s = IntegerField()
    account = ForeignKeyField(Account, on_delete="CASCADE")
    env_z_id = CharField(128)
    share_token = CharField(32)
    begin_ms = BigIntegerField()
    rx_bytes = BigIntegerField()
    tx_bytes = BigIntegerField()

    class Meta:
        indexes = (
            (("share_token", "span_s", "begin_ms"), True),
            (("account", "span_s", "begin_ms"), False),
            (("span_s", "begin_ms"), False),
        )


NEW = (FrontendGrant, OperatorIdentity, SkipInterstitialGrant, AgentEnrollment, UsagePeriod)
COLUMNS = (
    ("frontend", "token", "VARCHAR(32) NOT NULL DEFAULT ''"),
    ("frontend", "z_id", "VARCHAR(128) NOT NULL DEFAULT ''"),
    ("frontend", "url_template", "VARCHAR(1024) NOT NULL DEFAULT ''"),
    ("frontend", "permission", "VARCHAR(8) NOT NULL DEFAULT 'open'"),
    ("frontend", "dynamic", "BOOLEAN NOT NULL DEFAULT FALSE"),
    ("namespace_frontend", "is_default", "BOOLEAN NOT NULL DEFAULT FALSE"),
    ("namespace_frontend", "created_at_ms", "BIGINT NOT NULL DEFAULT 0"),
    ("limit_class", "backend_mode", "VARCHAR(32) NOT NULL DEFAULT ''"),
    ("limit_class", "period_minutes", "INTEGER NOT NULL DEFAULT 1440"),
    ("limit_class", "rx_bytes", "BIGINT NOT NULL DEFAULT -1"),
    ("limit_class", "tx_bytes", "BIGINT NOT NULL DEFAULT -1"),
    ("limit_class", "total_bytes", "BIGINT NOT NULL DEFAULT -1"),
    ("limit_class", "limit_action", "VARCHAR(8) NOT NULL DEFAULT 'limit'"),
    ("limit_class", "updated_at_ms", "BIGINT NOT NULL DEFAULT 0"),
)


def up(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Add them; every frontend gets a token to be called by."""
    run: Any = db.execute_sql
    for table, column, kind in COLUMNS:
        run(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    place = db.param
    for (row,) in run("SELECT id FROM frontend").fetchall():
        token = secrets.token_hex(6)
        run(f"UPDATE frontend SET token = {place} WHERE id = {place}", (token, row))  # noqa: S608
    run('CREATE UNIQUE INDEX "frontend_token" ON "frontend" ("token")')
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.create_tables(NEW, safe=False)


def down(migrator: SchemaMigrator, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    """Take them back with what they hold."""
    run: Any = db.execute_sql
    with db.bind_ctx(NEW, bind_refs=False, bind_backrefs=False):
        db.drop_tables(NEW, safe=False)
    run('DROP INDEX "frontend_token"')
    for table, column, _ in reversed(COLUMNS):
        run(f"ALTER TABLE {table} DROP COLUMN {column}")
