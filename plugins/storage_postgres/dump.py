"""Backups by PostgreSQL's own programs. Passwords go through the environment, never through arguments."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from zrokd.errors import Invalid, NotFound, StoreError

#: Also what is younger than the backup goes, or a later upgrade would meet it.
_EMPTY = """
    do $$ declare found text; begin
        for found in select quote_ident(tablename) from pg_tables where schemaname = current_schema()
        loop execute 'drop table ' || found || ' cascade'; end loop;
    end $$
"""
_DEBIAN = "/usr/lib/postgresql"


def dump(conninfo: str, file: Path, limit_s: float) -> None:
    """Write the database into `file`, as it is at one moment. Blocks.

    :raises NotFound: there is no pg_dump. :raises StoreError: it fails; says why.
    """
    _run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges", f"--file={file}"], conninfo, limit_s)
    _read_through(file, limit_s)


def schema_of(file: Path, limit_s: float) -> tuple[str, ...]:
    """The migrations that a backup has seen, in their order, after all of it was read. Blocks.

    :raises Invalid: `file` is no backup of zrokd's, or damaged. :raises NotFound: there is no pg_restore.
    """
    if not re.search(r" TABLE DATA \S+ schema_migration ", _contents(file, limit_s)):
        raise Invalid(f"{file} is no backup of a zrokd database")
    _read_through(file, limit_s)
    options = ["--data-only", "--table=schema_migration", "--file=-"]
    text = _call([_program("pg_restore"), *options, str(file)], {}, limit_s)
    rows = re.search(r"(?ms)^COPY [^\n]*schema_migration \(([^)]*)\)[^\n]*\n(.*?)^\\\.$", text)
    if rows is None:
        raise Invalid(f"{file} is no backup of a zrokd database")
    place = rows[1].split(", ").index("name")
    return tuple(sorted(line.split("\t")[place] for line in rows[2].splitlines()))


def restore(conninfo: str, file: Path, limit_s: float) -> None:
    """Make the database what `file` holds, in one transaction: afterwards all of it or nothing has happened. Blocks.

    :raises Invalid: `file` is no backup of zrokd's. :raises NotFound: PostgreSQL's programs are not there.
    :raises StoreError: it fails; says why.
    """
    schema_of(file, limit_s)
    with tempfile.NamedTemporaryFile(prefix="zrokd-restore-") as script:  # whole before any of it is run
        call = [_program("pg_restore"), "--no-owner", "--no-privileges", f"--file={script.name}", str(file)]
        _call(call, {}, limit_s)
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        _run("psql", [*options, f"--command={_EMPTY}", f"--file={script.name}"], conninfo, limit_s)


def _read_through(file: Path, limit_s: float) -> None:
    """:raises Invalid: the file is damaged."""
    try:
        _call([_program("pg_restore"), "--file=/dev/null", str(file)], {}, limit_s)
    except StoreError as error:
        raise Invalid(f"{file} is a damaged backup: {error}") from error


def _contents(file: Path, limit_s: float) -> str:
    try:
        return _call([_program("pg_restore"), "--list", str(file)], {}, limit_s)
    except StoreError as error:
        raise Invalid(f"{file} is no backup of a PostgreSQL database") from error


def _run(program: str, options: list[str], conninfo: str, limit_s: float) -> None:
    parameters = conninfo_to_dict(conninfo)
    password = str(parameters.pop("password", "") or "")
    command = [_program(program), "--no-password", f"--dbname={make_conninfo('', **parameters)}", *options]
    _call(command, {"PGPASSWORD": password} if password else {}, limit_s)


def _call(command: list[str], environ: dict[str, str], limit_s: float) -> str:
    name = Path(command[0]).name
    try:
        ended = subprocess.run(  # noqa: S603 - our own words, and a path that the operator chose
            command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"{name} did not end within {limit_s:g} s") from error
    if ended.returncode:
        said = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[0]
        raise StoreError(f"{name} failed: {said}")
    return ended.stdout


def _program(name: str) -> str:
    """Where a program of PostgreSQL's is; the newest of several. :raises NotFound: nowhere."""
    versions = sorted(Path(_DEBIAN).glob(f"*/bin/{name}"), key=lambda path: int("0" + path.parts[4].split(".")[0]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if not found:
        raise NotFound(f"this needs PostgreSQL's program {name}; install postgresql-client")
    return found
