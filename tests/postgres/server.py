"""A real PostgreSQL in a scratch folder, at a UNIX socket, under a user without rights when the tests run as root."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

_PLACES = "/usr/lib/postgresql/*/bin"
_NOBODY = 65534
_READY_S = 30.0
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "listen_addresses": "",
}  # a crash of its own loses nothing yet


class NoPostgres(Exception):
    """There is no server's program on this machine; the text says what to install."""


def programs() -> Path:
    """The folder of the newest server's programs. :raises NoPostgres: there is none."""
    found = [path.parent for path in Path("/").glob(f"{_PLACES[1:]}/initdb")]
    if beside := shutil.which("initdb"):
        found.append(Path(beside).resolve().parent)
    if not found:
        raise NoPostgres("there is no PostgreSQL here; apt-get install postgresql")
    return max(found, key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))])


class Postgres:
    """One server. `start` and `stop` may be repeated; `pause` lets it live and not answer."""

    def __init__(self, **settings: str) -> None:
        self.programs = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="zrokd-pg-"))
        self.settings = {"port": "5432", **_FAST, **settings}  # the port is part of the socket's name
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        self._own(self.folder)
        self._run("initdb", "-D", self._data, "-U", "zrokd", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")

    # -- life ---

    def start(self) -> Postgres:
        """Returns when it answers."""
        further = [f"-c{key}={value}" for key, value in self.settings.items()]
        command = [str(self.programs / "postgres"), "-D", self._data, "-k", str(self.folder), *further]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._user)
        until = time.monotonic() + _READY_S
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"PostgreSQL does not start:\n{self.log()}")
            time.sleep(0.02)
        return self

    @property
    def pid(self) -> int:
        """Of the first process of a running server; each connection has one below it."""
        assert self._process is not None
        return self._process.pid

    def stop(self, how: int = signal.SIGINT) -> None:
        """Ended when this returns. SIGINT: open connections are cut. SIGQUIT: as a crash."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(30)
        self._process = None

    def pause(self) -> None:
        """It and what serves its connections stand still until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """The end of `pause`."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop it, and remove its folder."""
        self.resume()
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def answers(self) -> bool:
        """Whether it accepts connections."""
        try:
            self.sql("select 1")
        except psycopg.OperationalError:
            return False
        return True

    def log(self) -> str:
        """The end of what it said."""
        file = self.folder / "log"
        return file.read_text()[-4000:] if file.exists() else ""

    # -- databases ---

    def conninfo(self, database: str = "postgres") -> str:
        """How a client reaches it."""
        return f"host={self.folder} port={self.settings['port']} user=zrokd dbname={database}"

    def create(self, template: str = "template1") -> str:
        """The name of a new database."""
        self._made += 1
        name = f"t{self._made}"
        self.sql(f"create database {name} template {template}")
        return name

    def drop(self, database: str) -> None:
        """With whatever is connected to it."""
        self.sql(f"drop database if exists {database} with (force)")

    def connection(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """One whose statements are a transaction each. The caller closes it."""
        return psycopg.connect(self.conninfo(database), autocommit=True, connect_timeout=5)

    def sql(self, text: str, *values: Any, database: str = "postgres") -> list[Any]:
        """All rows of one statement, on a connection of its own."""
        with self.connection(database) as connection:
            cursor = connection.execute(text, values or None)
            return cursor.fetchall() if cursor.description else []

    # -- inside ---

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    @property
    def _user(self) -> dict[str, Any]:
        return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}

    def _own(self, path: Path) -> None:
        if os.getuid() == 0:
            os.chown(path, _NOBODY, _NOBODY)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, timeout=60, **self._user)

    def _signal(self, number: int) -> None:
        if self._process is None:
            return
        main = self._process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for pid in [main, *map(int, children)] if number == signal.SIGSTOP else [*map(int, children), main]:
            with contextlib.suppress(ProcessLookupError):  # a connection that ended meanwhile
                os.kill(pid, number)
