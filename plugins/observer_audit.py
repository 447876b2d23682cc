"""Who made and ended what: one JSON object a line, in a file or in the log."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import Observer, Settings
from zrokd.model.account import Principal
from zrokd.model.environment import Environment
from zrokd.model.share import Access, Share

_MODE = 0o640


class AuditSettings(Settings):
    """Settings of observer.audit."""

    path: str = Field(
        default="",
        description="The file; a relative path starts in the observer's state directory. Empty: the daemon's log. "
        "It is opened for each line, so that it can be renamed at any time.",
    )


class AuditObserver(Observer):
    """Keeps the record. A line that cannot be written to the file goes to the log, and nothing else breaks."""

    name = "audit"
    Settings = AuditSettings

    _torn = False  # the file may end in half a line

    # -- hooks ---

    @hookimpl
    def zrokd_on_environment_created(self, environment: Environment, principal: Principal) -> None:
        """A host was enabled."""
        self._environment("environment.created", environment, principal)

    @hookimpl
    def zrokd_on_environment_deleted(self, environment: Environment, principal: Principal) -> None:
        """A host was disabled."""
        self._environment("environment.deleted", environment, principal)

    @hookimpl
    def zrokd_on_share_created(self, share: Share, principal: Principal) -> None:
        """Something is shared."""
        self._share("share.created", share, principal)

    @hookimpl
    def zrokd_on_share_deleted(self, share: Share, principal: Principal) -> None:
        """It is not shared any more."""
        self._share("share.deleted", share, principal)

    @hookimpl
    def zrokd_on_access_created(self, access: Access, principal: Principal) -> None:
        """Somebody may reach a share."""
        self._access("access.created", access, principal)

    @hookimpl
    def zrokd_on_access_deleted(self, access: Access, principal: Principal) -> None:
        """He may not any more."""
        self._access("access.deleted", access, principal)

    # -- lines ---

    def _environment(self, event: str, environment: Environment, principal: Principal) -> None:
        self._keep(
            event,
            principal,
            environment=environment.z_id,
            host=environment.host,
            description=environment.description,
            address=environment.address,
        )

    def _share(self, event: str, share: Share, principal: Principal) -> None:
        self._keep(
            event,
            principal,
            share=share.token,
            environment=share.env_z_id,
            share_mode=share.share_mode.value,
            mode=share.mode,
            hosts=list(share.endpoints),
            target=share.target,
            gate=share.gating.gate,
        )

    def _access(self, event: str, access: Access, principal: Principal) -> None:
        self._keep(
            event,
            principal,
            access=access.token,
            share=access.share_token,
            environment=access.env_z_id,
            bind_address=access.bind_address,
        )

    def _keep(self, event: str, principal: Principal, **facts: Any) -> None:
        at = datetime.fromtimestamp(self.ctx.clock.now_ms() / 1000, UTC).isoformat(timespec="milliseconds")
        entry = {"time": at, "event": event, "by": str(principal), "auth": principal.method, **facts}
        line = json.dumps(entry)  # ASCII: a line stays a line
        if not self.settings.path:
            self.ctx.log.info("%s", line)
            return
        try:
            self.ctx.offload(self._append, line)
        except OSError as error:
            self.ctx.log.error("the audit file %s cannot be written (%s): %s", self.path, error.strerror, line)

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.ctx.state_dir, self.settings.path)

    def _append(self, line: str) -> None:
        data = b"\n" * self._torn + f"{line}\n".encode()
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            while data:
                data = data[os.write(fd, data) :]
                self._torn = bool(data)
        finally:
            os.close(fd)


@hookimpl
def zrokd_provide_observers() -> Iterable[type[Observer]]:
    """The observer of this module."""
    return [AuditObserver]
