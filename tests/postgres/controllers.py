"""Controllers as processes, on one database and one overlay."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import gevent

from tests.postgres.server import Postgres
from zrokd.client.controller import Controller
from zrokd.model.units import Secret

ANN, BOB, EDGE, ADMIN = "anns-own-token", "bobs-own-token", "edges-own-token", "the-administrators-own-secret-token"
_ANSWERS = re.compile(r"the API answers on http://127\.0\.0\.1:(\d+)")
_READY_S = 30.0

TREE = """\
version: 1
state_dir: {folder}/{name}
log: {{level: debug, format: text}}
storage: {{use: postgres, host: {host}, database: {database}, tls: disable}}
overlay: {overlay}
auth: [{{use: token}}, {{use: secret, secrets: [{admin}]}}]
roles:
  controller:
    listen: 127.0.0.1:0
    reconcile_every: 30s
    frontends: {{edge: {{token: {edge}}}}}
    namespaces: {{public: {{zone: share.example.com, open: true, frontends: [edge]}}}}
    accounts: [{{email: ann@example.com, token: {ann}}}, {{email: bob@example.com, token: {bob}}}]
    limits: {{shares: {shares}, check_every: 0.2s, bandwidth: {{limit: {{total: 1KiB}}}}}}
    mail: {{dir: {folder}/mail-{name}}}
"""


class ControllerProcess:
    """One controller. `kill` is kill -9; `start` may follow it."""

    def __init__(
        self, folder: Path, name: str, server: Postgres, database: str, *, shares: int = -1, overlay: str = ""
    ) -> None:
        """`overlay`: YAML; "": local, the same for all in `folder`."""
        self.name, self.database = name, database
        self.file, self._log = folder / f"{name}.yml", folder / f"{name}.log"
        self.file.write_text(
            TREE.format(
                folder=folder, name=name, host=server.folder, database=database, shares=shares,
                overlay=overlay or f"{{use: local, dir: {folder}/overlay}}",
                admin=ADMIN, edge=EDGE, ann=ANN, bob=BOB,
            )
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[Controller] = []
        self.port = 0

    def start(self, *, wait: bool = True) -> ControllerProcess:
        """Returns when the API answers."""
        self._log.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "zrokd", "run", str(self.file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        if wait:
            self.port = int(self.told(_ANSWERS))
        return self

    def told(self, pattern: re.Pattern[str] | str, within_s: float = _READY_S) -> str:
        """What the first group of a pattern found in the log, or all of it, once it is there."""
        until = time.monotonic() + within_s
        while not (found := re.search(pattern, self.log())):
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{self.name} does not say {pattern}:\n{self.log()}")
            gevent.sleep(0.02)
        return found[found.re.groups]

    def log(self) -> str:
        """All it said since the last start."""
        return self._log.read_text() if self._log.exists() else ""

    @property
    def leads(self) -> bool:
        """Whether it said that it leads, and nothing else since."""
        return self.log().count("this controller leads") > self.log().count("does not lead any more")

    def client(self, token: str = ANN, timeout_s: float = 30.0) -> Controller:
        """A client of its API."""
        self._clients.append(Controller(f"http://127.0.0.1:{self.port}", Secret(token), timeout_s=timeout_s))
        return self._clients[-1]

    def kill(self) -> None:
        """As if the machine lost power. Idempotent."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As systemd does it; the exit code."""
        return self._end(signal.SIGTERM)

    def close(self) -> None:
        """End it, and the clients."""
        for client in self._clients:
            client.close()
        self.kill()

    def _end(self, how: int) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        return process.wait(40)
