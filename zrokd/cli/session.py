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

from zrokd.errors import Denied, StartError

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
    """The controller of an environment; closed afterwards. :raises Denied: inside; says what to do about it."""
    from zrokd.client.controller import Controller

    controller = Controller(environment.controller, environment.account_token, verify=ca_file())
    try:
        yield controller
    except Denied as error:
        raise Denied(
            f"the controller at {controller.url} says no ({error}); was this machine's token revoked?"
            " then run zrokd disable, and zrokd enable with a new one"
        ) from error
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
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(parent):  # nobody sweeps between the making of a folder and its lock
            _sweep(parent)
            folder = parent / secrets.token_hex(4)
            folder.mkdir(mode=0o700)
            held = _locked(folder)
    except OSError as error:
        raise StartError(f"cannot write to {parent}: {error.strerror}") from error
    with held:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    for old in parent.iterdir():
        with contextlib.suppress(OSError), _locked(old, fcntl.LOCK_NB):
            shutil.rmtree(old, ignore_errors=True)


def _locked(folder: Path, flags: int = 0) -> contextlib.ExitStack:
    """The lock on a folder, held until what is returned is closed. :raises OSError: no such folder, or held."""
    with contextlib.ExitStack() as stack:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
        stack.callback(fcntl.flock, descriptor, fcntl.LOCK_UN)  # gevent's close may come a moment later
        return stack.pop_all()
