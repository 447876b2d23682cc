"""The environment of the person at the terminal, and the controller it belongs to."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zrokd.errors import StartError

if TYPE_CHECKING:
    from zrokd.client.controller import Controller
    from zrokd.client.environment import EnabledEnvironment

DEFAULT_CONTROLLER = "http://127.0.0.1:18080"


def controller_url(given: str | None) -> str:
    """The URL of the controller: what was given, $ZROKD_CONTROLLER, $ZROK2_API_ENDPOINT, or this machine."""
    return given or os.environ.get("ZROKD_CONTROLLER") or os.environ.get("ZROK2_API_ENDPOINT") or DEFAULT_CONTROLLER


def ca_file() -> bool | str:
    """What certificates are checked with: $ZROKD_CA, or the system's authorities."""
    return os.environ.get("ZROKD_CA") or True


def enabled() -> EnabledEnvironment:
    """The environment of this person on this machine. :raises StartError: there is none."""
    from zrokd.client.environment import EnvironmentFile, default_folder

    found = EnvironmentFile(default_folder()).load()
    if found is None:
        raise StartError("this machine is not enabled; run: zrokd enable TOKEN --controller URL")
    return found


@contextlib.contextmanager
def controller_of(environment: EnabledEnvironment) -> Iterator[Controller]:
    """The controller of an environment; closed afterwards."""
    from zrokd.client.controller import Controller

    controller = Controller(environment.controller, environment.account_token, verify=ca_file())
    try:
        yield controller
    finally:
        controller.close()


def overlay_of(environment: EnabledEnvironment) -> dict[str, Any]:
    """The `overlay:` section that fits an identity document."""
    document = json.loads(environment.identity.document)
    name = document.get("overlay", "ziti" if "ztAPI" in document else "")
    if name == "local":
        return {"use": "local", "dir": document["dir"]}
    return {"use": name or "local"}


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A state folder for one daemon of a person's, removed afterwards; those that a crash left behind too."""
    from zrokd.client.environment import default_folder

    parent = default_folder() / "run"
    for old in parent.iterdir() if parent.is_dir() else ():
        if not _is_held(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = parent / secrets.token_hex(4)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise StartError(f"cannot write to {parent}: {error.strerror}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_held(folder: Path) -> bool:
    """Whether a daemon runs on this folder, or is about to."""
    try:
        with (folder / "zrokd.lock").open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
