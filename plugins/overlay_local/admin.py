"""The administrator's half: folders made and taken away."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from zrokd.contracts import OverlayAdmin
from zrokd.errors import OverlayError
from zrokd.model.environment import Identity
from zrokd.model.limits import UsageSample
from zrokd.model.naming import new_token

from .folder import Folder, check_name, make_shared, trouble

_TAG = ".instance"
_NEW = ".new-"
_GONE = ".gone-"


class LocalAdmin(OverlayAdmin):
    """Makes and removes services. A folder whose tag names another instance, or none, is left alone."""

    def __init__(self, folder: Folder, instance: str, log: logging.Logger) -> None:
        self._folder, self._instance, self._log = folder, instance, log

    def create_environment(self, name: str) -> Identity:  # noqa: ARG002
        """A new identity. It holds no secret: the folder's rights decide who may meet."""
        return self._identity(new_token())

    def delete_environment(self, z_id: str) -> None:
        """Take away the services that the environment was to bind."""
        for token, tag in list(self._services()):
            if tag.get("environment") == z_id:
                self.delete_share(token)

    def create_frontend(self, name: str) -> Identity:
        """The identity of a public entrance; the same one for the same name."""
        digest = hashlib.sha256(f"{self._instance}\0{name}".encode()).hexdigest()
        return self._identity(digest[:12])

    def _identity(self, z_id: str) -> Identity:
        document = {"overlay": "local", "dir": str(self._folder.path), "id": z_id}
        return Identity(z_id=z_id, document=json.dumps(document))

    def create_share(self, token: str, env_z_id: str, *, public: bool, config: dict[str, object]) -> None:
        """Make the service's folder."""
        path = self._folder.path / check_name(token)
        fresh = self._folder.path / f"{_NEW}{token}-{secrets.token_hex(4)}"
        tag = {"instance": self._instance, "environment": env_z_id, "public": public, "config": config}
        try:
            make_shared(fresh)
            (fresh / _TAG).write_text(json.dumps(tag))
            fresh.rename(path)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            if not path.is_dir():
                raise trouble("make", path, error) from error
            self._adopt(token, path)

    def _adopt(self, token: str, path: Path) -> None:
        if self._tag(path).get("instance") != self._instance:
            raise OverlayError(f"service {token!r} exists, and belongs to another instance: {path}")

    def delete_share(self, token: str) -> None:
        """Remove the service's folder. Streams that run go on; listeners notice within about a second."""
        path = self._folder.path / check_name(token)
        if self._tag(path).get("instance") != self._instance:
            return
        gone = self._folder.path / f"{_GONE}{token}-{secrets.token_hex(4)}"
        try:
            path.rename(gone)  # one step for those who dial
            self._remove(gone)
        except FileNotFoundError:
            return
        except OSError as error:
            raise trouble("remove", path, error) from error

    def _remove(self, path: Path) -> None:
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return

    def create_access(self, token: str, share_token: str, env_z_id: str) -> None:
        """Nothing: whoever may use the folder may dial."""

    def delete_access(self, token: str, share_token: str) -> None:
        """Nothing."""

    def list_shares(self) -> set[str]:
        """Tokens of this instance's services. Also finishes removals that a crash cut short."""
        return {token for token, _ in self._services()}

    def usage(self) -> Iterable[UsageSample]:
        """Nothing: the kernel does not count."""
        return []

    def _services(self) -> Iterator[tuple[str, dict[str, Any]]]:
        try:
            entries = list(self._folder.path.iterdir())
        except OSError as error:
            raise trouble("read", self._folder.path, error) from error
        for path in entries:
            if path.name.startswith(_GONE):
                shutil.rmtree(path, ignore_errors=True)  # its owner took it away and was cut short
            elif not path.name.startswith("."):
                tag = self._tag(path)
                if tag.get("instance") == self._instance:
                    yield path.name, tag

    def _tag(self, path: Path) -> dict[str, Any]:
        try:
            tag = json.loads((path / _TAG).read_bytes())
        except (OSError, ValueError):
            return {}
        return tag if isinstance(tag, dict) else {}
