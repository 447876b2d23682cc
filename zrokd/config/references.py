"""What stands elsewhere: environment variables, files, credentials, secrets of our own making."""

from __future__ import annotations

import os
import re
import select
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zrokd.config import secretfile
from zrokd.config.sources import reason
from zrokd.config.tree import UNREAD, KeyPath, Origin, Reference, Tree
from zrokd.errors import Invalid, ZrokdError

_VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_.@:-]{1,255}")
_MAX_BYTES = 64 * 1024
_PIPE_S = 2.0  # for what is at the other end of a pipe, such as `<(pass show zrokd)`


class Unresolved(ZrokdError):
    """A reference that leads nowhere; the text says why."""


class Resolver:
    """Replaces references by what they stand for. `folder` is where relative paths begin."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *, state_dir: Path | None, create: bool) -> None:
        self._folder, self._environ = folder, environ
        self._state_dir, self._create = state_dir, create

    def resolve(self, tree: Tree) -> None:
        """Resolve every value of `tree` in place; what leads nowhere becomes a problem at its place.

        :raises StartError: a secret cannot be made, for the state directory cannot be used.
        """
        tree.data = self._walk(tree.data, (), tree)

    def _walk(self, value: Any, path: KeyPath, tree: Tree) -> Any:
        if isinstance(value, dict):
            return {key: self._walk(item, (*path, key), tree) for key, item in value.items()}
        if isinstance(value, list):
            return [self._walk(item, (*path, index), tree) for index, item in enumerate(value)]
        try:
            if isinstance(value, Reference):
                tree.origins[path] = self.follow(value)
                return tree.origins[path].text
            if isinstance(value, str) and "$" in value:
                return self._filled(value, path, tree)
        except Unresolved as error:
            tree.refuse(str(error), path)
            tree.broken.add(path)
            return UNREAD
        return value

    def _filled(self, value: str, path: KeyPath, tree: Tree) -> str:
        text = self.substitute(value)
        if "${" in value:
            tree.origins.setdefault(path, Origin(value, text))
        return text

    def substitute(self, text: str) -> str:
        """`text` with ${VAR} and ${VAR:-default} replaced; $$ is a dollar. :raises Unresolved: VAR is not set."""

        def one(match: re.Match[str]) -> str:
            if match[1]:
                return "$"
            value = self._environ.get(match[2]) or match[3]
            if value is None:
                raise Unresolved(
                    f"the environment variable {match[2]} is empty or not set; ${{{match[2]}:-...}} has a default"
                )
            return value

        return _VARIABLE.sub(one, text)

    def follow(self, reference: Reference) -> Origin:
        """The text that a reference stands for. :raises Unresolved: none."""
        if not reference.name:
            raise Unresolved(f"!{reference.kind} takes one word or path")
        text, file = getattr(self, f"_{reference.kind}")(reference.name)
        return Origin(str(reference), text, file)

    def _env(self, name: str) -> tuple[str, Path | None]:
        name, default_given, default = name.partition(":-")
        value = self._environ.get(name) or (default if default_given else None)
        if value is None:
            raise Unresolved(f"the environment variable {name} is empty or not set; !env {name}:-... has a default")
        return value, None

    def _file(self, name: str) -> tuple[str, Path | None]:
        file = self._folder / self.substitute(name)
        return _read(file), file

    def _cred(self, name: str) -> tuple[str, Path | None]:
        folder = self._environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise Unresolved(
                f"!cred {name}: CREDENTIALS_DIRECTORY is not set; use LoadCredential= in the unit, or !file"
            )
        if not _CREDENTIAL.fullmatch(name):
            raise Unresolved(f"!cred {name}: a credential's name has letters, digits, _ . @ : and - only")
        return _read(Path(folder) / name), None  # the service manager sees to its mode

    def _secret(self, name: str) -> tuple[str, Path | None]:
        if self._state_dir is None:
            raise Unresolved(f"!secret {name}: `state_dir` is wrong, so there is no place to keep it")
        try:
            file = secretfile.place(self._state_dir, name)
        except Invalid as error:
            raise Unresolved(f"!secret {name}: {error}") from error
        if self._create:
            secretfile.make(file)
        if self._create or _is_there(file):
            return _read(file), file
        return f"made-at-the-first-run:{name}", None


def _is_there(file: Path) -> bool:
    """Whether a check can read the secret; one by another user cannot, and needs not."""
    try:
        with file.open("rb"):
            return True
    except (OSError, ValueError):
        return False


def _read(file: Path) -> str:
    try:
        raw = _bytes(file)
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Unresolved(f"{file} is not UTF-8 text") from error
    except (OSError, ValueError) as error:
        raise Unresolved(f"cannot read {file}: {reason(error)}") from error
    if len(raw) > _MAX_BYTES:
        raise Unresolved(f"{file} is larger than 64 KiB; this is no secret")
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise Unresolved(f"{file} is empty")
    return text


def _bytes(file: Path) -> bytes:
    """What a file holds or a pipe brings, up to a little more than is allowed. Waits for no other kind of file."""
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode):
            return _through(fd, file)
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading a folder says itself what it is
            raise Unresolved(f"cannot read {file}: it is neither a file nor a pipe")
        return os.read(fd, _MAX_BYTES + 1)
    finally:
        os.close(fd)


def _through(pipe: int, file: Path) -> bytes:
    raw, until = b"", time.monotonic() + _PIPE_S
    while len(raw) <= _MAX_BYTES:
        if not select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            raise Unresolved(f"cannot read {file}: nobody has written to this pipe, to its end, within {_PIPE_S:g} s")
        if not (part := os.read(pipe, _MAX_BYTES + 1)):
            break
        raw += part
    return raw
