"""Storage in one SQLite file: the default; for one controller.

The file is in WAL mode (readers and the one writer do not wait for each other), and nobody but us may read it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import peewee
from gevent.monkey import get_original
from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import Health, Settings, Storage
from zrokd.errors import Conflict, Invalid, StartError, StoreError

_FILE = "zrokd.sqlite3"
_KEPT = 16  # idle connections; the host's pool has fewer threads
_STATEMENTS = 256  # kept prepared, by connection
_FileId = tuple[int, int] | None  # device and inode; None: no file
_BUSY_MS = 1500  # one waits for another program's change; whoever asks us waits no longer than two seconds


class _Connection(sqlite3.Connection):
    """One that knows its file. Nothing else holds it while it is used: it goes with a thread that was left alone."""

    file: _FileId = None


class SqliteDatabase(peewee.SqliteDatabase):
    """A file whose connections are made in real threads, and kept for the next use by any of them.

    A new connection reads the whole schema, and prepares each statement anew: that costs more than most queries do.

    Peewee guards connecting by a lock of `threading`, which gevent replaces by one for greenlets; contended by several
    real threads, that one may never wake its waiters. So the lock is the original one; it is held for a file's opening.
    """

    def __init__(self, path: Path) -> None:
        # Source of the pragmas: https://sqlite.org/wal.html; synchronous=1 keeps a WAL database whole over a power cut,
        # at the cost of the last transactions.
        pragmas = {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": _BUSY_MS}
        # One thread at a time uses a connection, not the same each time.
        super().__init__(
            str(path), pragmas=pragmas, check_same_thread=False, cached_statements=_STATEMENTS, factory=_Connection
        )
        self._lock = get_original("_thread", "allocate_lock")()
        self.most_idle = _KEPT
        self._idle: list[_Connection] = []

    def close_idle(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    # -- what peewee calls, holding the lock ---

    def _connect(self) -> _Connection:
        file = _file_id(self.database)
        while self._idle:
            connection = self._idle.pop()
            if connection.file == file:
                return connection
            connection.close()  # the file was replaced, or is gone
        fresh: _Connection = super()._connect()  # type: ignore[misc]
        fresh.file = _file_id(self.database)
        return fresh

    def _close(self, conn: _Connection) -> None:
        # The traceback of what failed may hold rows read by half, and they the connection at what it saw then.
        failed = sys.exc_info()[0] is not None
        if failed or conn.in_transaction or len(self._idle) >= self.most_idle:
            conn.close()
        else:
            self._idle.append(conn)


class SqliteSettings(Settings):
    """Settings of storage.sqlite."""

    path: str = Field(
        default="",
        description="The database file; a relative path starts in the storage's state directory. "
        f"Empty: {_FILE} in there.",
    )


class SqliteStorage(Storage):
    """One SQLite file. Its queries block the thread they run in, so they belong into the host's pool."""

    name = "sqlite"
    Settings = SqliteSettings
    blocks = True

    _database: SqliteDatabase | None = None
    _anchor: sqlite3.Connection | None = None
    _use = -1  # descriptor that tells others that the file is in use

    @property
    def path(self) -> Path:
        """The database file."""
        return Path(self.ctx.state_dir, self.settings.path or _FILE)

    def open(self) -> None:
        """Make the file, or find out that it can be used. :raises StartError: it cannot; says why."""
        self.ctx.offload(self._open)
        if self._database is not None:
            self._database.most_idle = _KEPT

    def close(self) -> None:
        """Give the file back. Idempotent."""
        anchor, self._anchor = self._anchor, None
        if self._database is not None:
            self._database.most_idle = 0  # what is in use now is closed by who uses it: a thread outlives its greenlet
            self.ctx.offload(self._database.close_idle)
        if anchor:
            self.ctx.offload(anchor.close)
        use, self._use = self._use, -1
        if use >= 0:
            os.close(use)

    def health(self) -> Health:
        """Whether the file is where it was."""
        return Health() if self.path.exists() else Health(ok=False, detail=f"the database {self.path} is gone")

    def database(self) -> SqliteDatabase:
        """The database, the same object at every call; a connection per use, kept for the next."""
        if self._database is None:
            self._database = SqliteDatabase(self.path)
        return self._database

    def backup(self, file: Path) -> None:
        """As the contract says, as one file."""
        with _whole(self.path, file) as (source, target):
            source.backup(target)
            target.execute("pragma journal_mode=delete")  # one file, without a log beside it
            _check_whole(target, file)

    def schema_of(self, file: Path) -> tuple[str, ...]:
        """As the contract says."""
        with _opened(file) as connection:
            found = connection.execute("select name from schema_migration order by name").fetchall()
            _check_whole(connection, file)
        return tuple(name for (name,) in found)

    def restore(self, file: Path) -> None:
        """As the contract says, in one transaction: who reads meanwhile sees all of it or nothing."""
        self.schema_of(file)
        try:
            fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"the database {self.path} is in use; stop its controller first") from error
        try:
            with _whole(file, self.path) as (source, target):
                source.backup(target)
        finally:
            fcntl.flock(self._use, fcntl.LOCK_SH)

    def _open(self) -> None:
        self._make_private()
        self._use = self._tell_use()
        try:
            # Held open, so that a connection per use does not fold the WAL into the file each time the last one closes.
            self._anchor = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
            self._anchor.execute("pragma journal_mode=wal")
            self._anchor.execute("select count(*) from sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise StartError(f"the database {self.path} cannot be used: {error}") from error

    def _tell_use(self) -> int:
        """A shared lock beside the file. Not on it: closing any descriptor of it would drop SQLite's own locks."""
        path = self.path.with_name(f".{self.path.name}.lock")
        try:
            use = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if os.geteuid() == 0:  # an operator's command may be the first to make it
                owner = self.path.stat()
                os.fchown(use, owner.st_uid, owner.st_gid)
            fcntl.flock(use, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(use)
            raise StartError(f"the database {self.path} is being restored") from error
        except OSError as error:
            raise StartError(f"the lock {path} cannot be had: {error.strerror}") from error
        return use

    def _make_private(self) -> None:
        try:
            if not self.path.exists():
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self.path.chmod(0o600)
        except OSError as error:
            raise StartError(f"the database {self.path} cannot be made private: {error.strerror}") from error


def _file_id(path: str) -> _FileId:
    try:
        found = os.stat(path)  # noqa: PTH116 - a str, as peewee has it, many times a second
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _whole(source: Path, target: Path) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
    """Connections to two files. :raises StoreError: what is done with them fails."""
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as reading,
            closing(sqlite3.connect(target, timeout=_BUSY_MS / 1000)) as writing,
        ):
            yield reading, writing
    except sqlite3.Error as error:
        raise StoreError(f"{source} cannot be copied to {target}: {error}") from error


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """A backup, to be read. :raises Invalid: it is none; says why."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise Invalid(f"{file} is no backup of a zrokd database: {error}") from error


def _check_whole(connection: sqlite3.Connection, file: Path) -> None:
    """:raises Invalid: the file is damaged; says where."""
    found = connection.execute("pragma integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise Invalid(f"{file} is a damaged backup: {found}")


@hookimpl
def zrokd_provide_storages() -> Sequence[type[Storage]]:
    """The one class of this module."""
    return [SqliteStorage]
