"""Upgrades a database again and again, killed with SIGKILL at its first statement, at its second, and so on.

After each death another process, as after a restart, goes on. Prints one line of JSON per death. Arguments: `sqlite
FOLDER` or `postgres FOLDER-OF-THE-SERVER`.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
from pathlib import Path

import peewee
from playhouse.schema_diff import diff_models

from zrokd.store import migrate, tables


class Files:
    """SQLite files in a folder."""

    def __init__(self, folder):
        self._folder = Path(folder)

    def fresh(self, name, origin=""):
        if origin:
            shutil.copy(self._folder / origin, self._folder / name)
        return peewee.SqliteDatabase(str(self._folder / name), pragmas={"journal_mode": "wal", "synchronous": 0})

    def whole(self, database):
        with sqlite3.connect(database.database) as connection:
            return connection.execute("pragma integrity_check").fetchone()[0] == "ok"

    def drop(self, database):
        database.close()


class Server:
    """Databases of a PostgreSQL server."""

    def __init__(self, host):
        self._host = host

    def _sql(self, text):
        import psycopg

        with psycopg.connect(host=self._host, user="zrokd", dbname="postgres", autocommit=True) as connection:
            connection.execute(text)

    def fresh(self, name, origin="template1"):
        from zrokd_plugins.storage_postgres.database import PostgresDatabase
        from zrokd_plugins.storage_postgres.settings import PostgresSettings

        self._sql(f"create database {name} template {origin}")
        return PostgresDatabase(PostgresSettings(host=self._host, database=name, tls="disable"))

    def whole(self, database):
        return True

    def drop(self, database):
        database.close_idle()
        self._sql(f"drop database {database.database} with (force)")


def in_child(function, *args):
    """How a child that does it ended: 0, or the signal that ended it."""
    child = os.fork()
    if child == 0:
        function(*args)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def populate(database):
    """The first schema, with somebody in it."""
    migrate.upgrade(database, to=1)
    with database.connection_context():
        database.execute_sql(
            "insert into account (email, password_hash, limitless, created_at_ms, updated_at_ms)"
            " values ('ann@example.com', 'hash', false, 1, 1)"
        )


def upgrade_and_die(database, step):
    count, real = 0, database.execute_sql

    def counted(*args, **kwargs):
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    database.execute_sql = counted
    migrate.upgrade(database)


def go_on(database):
    """What another process finds, and what is there after it has upgraded."""
    found = [step.name for step in migrate.status(database) if not step.pending]
    migrate.upgrade(database)
    with database.connection_context(), database.bind_ctx(tables.ALL):
        differences = bool(diff_models(database, list(tables.ALL)))
        emails = [email for (email,) in database.execute_sql("select email from account").fetchall()]
    return {"found": found, "differences": differences, "emails": emails, "whole": True}


def main(kind, place):
    made = Files(place) if kind == "sqlite" else Server(place)
    origin = made.fresh("origin")
    assert in_child(populate, origin) == 0
    for step in range(1, 1000):
        database = made.fresh(f"killed{step}", "origin")
        ended = in_child(upgrade_and_die, database, step)
        if ended == 0:
            made.drop(database)
            return
        told = go_on(database) | {"ended": ended, "whole": made.whole(database)}
        made.drop(database)
        print(json.dumps({"step": step, **told}), flush=True)


main(*sys.argv[1:])
