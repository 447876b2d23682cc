"""The folder in which an enabled host keeps what lets it in."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zrokd.client.files import read_json, write_json
from zrokd.errors import StartError
from zrokd.model.environment import Identity
from zrokd.model.units import Secret

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EnabledEnvironment:
    """What `enable` gave this host: where the controller is, who pays, and the overlay identity."""

    controller: str  # URL
    account_token: Secret
    identity: Identity
    ca: str = ""  # file of certificates that sign the controller's; "": the system's


def default_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where a person's environment is kept: $ZROKD_HOME, or ~/.zrokd."""
    home = environ.get("ZROKD_HOME", "")
    return Path(home) if home else Path.home() / ".zrokd"


class EnvironmentFile:
    """`environment.json` in a folder (0700, the file 0600)."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "environment.json"

    def load(self) -> EnabledEnvironment | None:
        """The environment; None when this host is not enabled here.

        :raises StartError: the file cannot be read, is damaged, or was written by a newer zrokd.
        """
        document = read_json(self.path)
        return None if document is None else self._parse(document)

    def _parse(self, document: dict[str, Any]) -> EnabledEnvironment:
        if document.get("version") != _VERSION:
            raise StartError(f"{self.path} was written by another version of zrokd: {document.get('version')!r}")
        try:
            return EnabledEnvironment(
                controller=_text(document["controller"]),
                account_token=Secret(_text(document["account_token"])),
                identity=Identity(z_id=_text(document["z_id"]), document=json.dumps(document["identity"])),
                ca=_text(document["ca"]) if "ca" in document else "",
            )
        except (KeyError, TypeError) as error:
            raise StartError(f"{self.path} is damaged: {error} is missing or wrong; enable this host again") from error

    def save(self, environment: EnabledEnvironment) -> None:
        """Keep it. :raises StartError: it cannot be written; what was there before is unchanged."""
        document = {
            "version": _VERSION,
            "controller": environment.controller,
            "account_token": environment.account_token.reveal(),
            "z_id": environment.identity.z_id,
            "identity": json.loads(environment.identity.document),
            **({"ca": environment.ca} if environment.ca else {}),
        }
        write_json(self.path, document)

    def delete(self) -> None:
        """Forget it. Idempotent. :raises StartError: the file cannot be removed."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise StartError(f"cannot remove {self.path}: {error.strerror}") from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"a text where {value!r} is" if not isinstance(value, str) else "a text that is not empty")
    return value
