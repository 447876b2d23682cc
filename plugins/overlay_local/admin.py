"""The administrator's half: folders made and taken away."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import posix
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from zrokd.contracts import OverlayAdmin
from zrokd.errors import OverlayError, UnknownService
from zrokd.model.environment import Identity
from zrokd.model.limits import UsageSample
from zrokd.model.naming import new_token

from .folder import Folder, check_name, fresh_folder, trouble

T = TypeVar("T")

_TAG = ".instance"
_NEW = ".new-"
_GONE = ".gone-"
_OLD_S = 3600.0
_MOST_BYTES = 1 << 20  # of a tag


class Offload(Protocol):
    """A way to run what blocks (`Context.offload` is one)."""

    def __call__(self, function: Callable[[], T], /) -> T:
        """What `function` returns or raises, run where blocking hurts nobody. Switches greenlets."""


class LocalAdmin(OverlayAdmin):
    """Makes and removes services. A folder whose tag names another instance, or none, is left alone."""

    def __init__(self, folder: Folder, instance: str, offload: Offload) -> None:
        """`offload` runs what reads all services: with many of them that takes too long for the hub."""
        self._folder, self._instance, self._offload = folder, instance, offload

    def create_environment(self, name: str) -> Identity:  # noqa: ARG002
        """A new identity. It holds no secret: the folder's rights decide who may meet."""
        return self._identity(new_token())

    def adopt_environment(self, z_id: str) -> None:
        """Nothing: whoever may use the folder is let in, under any name."""

    def delete_environment(self, z_id: str) -> None:
        """Take away the services that the environment was to bind."""
        for token, tag in self._offload(self._services):
            if tag.get("environment") == z_id:
                self.delete_share(token)

    def create_frontend(self, name: str) -> Identity:
        """The identity of a public entrance; the same one for the same name."""
        return self._known(f"\0{name}")

    def create_controller(self) -> Identity:
        """The identity of this instance's controllers. The folder's rights decide whom they may dial."""
        return self._known("\0\0")

    def _known(self, name: str) -> Identity:
        return self._identity(hashlib.sha256(f"{self._instance}{name}".encode()).hexdigest()[:12])

    def _identity(self, z_id: str) -> Identity:
        document = {"overlay": "local", "dir": str(self._folder.path), "id": z_id}
        return Identity(z_id=z_id, document=json.dumps(document))

    def create_agent(self, token: str, env_z_id: str) -> None:
        """As a share: who may use the folder may dial. Switches greenlets."""
        self.create_share(token, env_z_id, public=False, config={})

    def create_share(self, token: str, env_z_id: str, *, public: bool, config: dict[str, object]) -> None:
        """Make the service's folder. Switches greenlets."""
        path = self._folder.path / check_name(token)
        fresh = self._folder.path / f"{_NEW}{token}-{secrets.token_hex(4)}"
        tag = {"instance": self._instance, "environment": env_z_id, "public": public, "config": config}
        self._offload(lambda: self._make(token, path, fresh, tag))

    def _make(self, token: str, path: Path, fresh: Path, tag: dict[str, Any]) -> None:
        try:
            with fresh_folder(fresh) as descriptor:
                _write(descriptor, json.dumps(tag).encode())
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
        """Remove the service's folder. Streams that run go on; listeners notice within about a second.

        Switches greenlets: an environment may have thousands.
        """
        self._offload(lambda: self._take_away(token))

    def _take_away(self, token: str) -> None:
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
        """Note it in the service's folder, by which it can end: whoever may use the folder may dial."""
        with self._folder.open(share_token) as service:
            service.add_access(token, env_z_id)

    def delete_access(self, token: str, share_token: str) -> None:
        """Take the note away: the environment's node ends its streams within about a second, and dials no more."""
        with contextlib.suppress(UnknownService), self._folder.open(share_token) as service:
            service.drop_access(token)

    def list_shares(self) -> set[str]:
        """Tokens of this instance's services. Also finishes removals that a crash cut short."""
        return {token for token, _ in self._offload(self._services)}

    def usage(self) -> Iterable[UsageSample]:
        """Nothing: the kernel does not count."""
        return []

    def _services(self) -> list[tuple[str, dict[str, Any]]]:
        """Token and tag of each of ours. Takes away what a crash left behind. Not on the hub."""
        try:
            entries = list(self._folder.path.iterdir())
        except OSError as error:
            raise trouble("read", self._folder.path, error) from error
        found = []
        for path in entries:
            if path.name.startswith(_GONE) or (path.name.startswith(_NEW) and _is_old(path)):
                shutil.rmtree(path, ignore_errors=True)  # who made it, or took it away, was cut short
            elif not path.name.startswith("."):
                tag = self._tag(path)
                if tag.get("instance") == self._instance:
                    found.append((path.name, tag))
        return found

    def _tag(self, path: Path) -> dict[str, Any]:
        try:
            tag = json.loads(_read(path / _TAG))
        except (OSError, ValueError, RecursionError):
            return {}
        return tag if isinstance(tag, dict) else {}


def _read(path: Path) -> bytes:
    """What stands in a small file. Whoever is in the group may put something else there, so we wait for nothing.

    :raises OSError: it cannot be read, or is no small file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
            raise OSError(errno.EINVAL, "it is no small file", str(path))
        return os.read(descriptor, _MOST_BYTES)
    finally:
        posix.close(descriptor)


def _write(folder: int, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(_TAG, flags, 0o600, dir_fd=folder), "wb") as file:
        file.write(data)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > _OLD_S
    except OSError:
        return False
