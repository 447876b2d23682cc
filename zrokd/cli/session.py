"""The environment of the person at the terminal, and the controller it belongs to."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zrokd.cli.output import reason, say
from zrokd.errors import Denied, NotEnough, StartError, ZrokdError
from zrokd.wire.modes import mode_from_wire

if TYPE_CHECKING:
    from zrokd.client.controller import Controller
    from zrokd.client.environment import EnabledEnvironment
    from zrokd.client.holds import Holds

DEFAULT_CONTROLLER = "http://127.0.0.1:18080"


def controller_url(given: str | None) -> str:
    """The URL of the controller: what was given, $ZROKD_CONTROLLER, $ZROK2_API_ENDPOINT, or this machine."""
    return given or os.environ.get("ZROKD_CONTROLLER") or os.environ.get("ZROK2_API_ENDPOINT") or DEFAULT_CONTROLLER


def ca_file(environment: EnabledEnvironment | None = None, *, given: str | None = None) -> str:
    """The certificates to check the controller with: what was given, $ZROKD_CA, or what the environment remembers.

    Empty: the system's. :raises click.UsageError: the file given cannot be read. :raises StartError: that remembered.
    """
    given = given or os.environ.get("ZROKD_CA")
    path = given or (environment.ca if environment else "")
    if not path:
        return ""
    try:
        with Path(path).open("rb"):
            return str(Path(path).absolute())
    except OSError as error:
        sentence = f"the certificates in {path} cannot be read: {error.strerror}"
        raise (click.UsageError if given else StartError)(sentence) from error


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

    controller = Controller(environment.controller, environment.account_token, verify=ca_file(environment) or True)
    try:
        yield controller
    except NotEnough:
        raise
    except Denied as error:
        raise Denied(f"{error} If it was, run zrokd disable, and zrokd enable with a new one") from error
    finally:
        controller.close()


def read_token(file: str) -> str:
    """The token in the first line of a file, or of standard input for `-`. :raises click.UsageError: none there."""
    return _read(file, "token").strip().partition("\n")[0].strip()


def read_password(file: str) -> str:
    """As `read_token`, of a password: spaces belong to it."""
    return _read(file, "password").lstrip("\r\n").partition("\n")[0].rstrip("\r")


def _read(file: str, what: str) -> str:
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file} cannot be read: {reason(error)}") from error
    if not text.strip():
        raise click.UsageError(f"the {what} is empty")
    return text


def settle(environment: EnabledEnvironment, controller: Controller) -> None:
    """End what a killed zrokd of this machine left in the controller's books. What goes wrong there is only said."""
    holds = _holds(controller)
    try:
        for hold in holds.settle(environment.identity.z_id):
            what = f"the access to {hold.share}" if hold.access else f"share {hold.share}"
            say(f"{what} of a zrokd that died is ended now")
    except ZrokdError as error:
        say(f"what a zrokd that died left behind could not be ended: {error}")


def is_served(token: str, controller: Controller) -> bool:
    """Whether a zrokd of this machine that lives serves that share."""
    return _holds(controller).is_served(token)


def _holds(controller: Controller) -> Holds:
    from zrokd.client.environment import default_folder
    from zrokd.client.holds import Holds, holds_folder

    folder = default_folder()
    return Holds(holds_folder(folder, folder), controller, logging.getLogger(__name__))


def mode_of(item: Mapping[str, Any]) -> str:
    """The mode of a share or access that an overview tells of, in our words."""
    return mode_from_wire(str(item.get("backendMode") or ""))


def overlay_of(environment: EnabledEnvironment) -> dict[str, Any]:
    """The `overlay:` section that fits an identity document."""
    document = json.loads(environment.identity.document)
    name = document.get("overlay", "ziti" if "ztAPI" in document else "")
    if name == "local":
        return {"use": "local", "dir": document["dir"]}
    return {"use": name or "local"}


def log_of(*, verbose: bool, as_json: bool) -> dict[str, str]:
    """The `log:` section for a daemon that a person runs: sentences, also into a file or a pipe."""
    return {"level": "info" if verbose else "warning", "format": "json" if as_json else "text"}


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
    """The lock of a folder, held until what is returned is closed. :raises OSError: no such folder, or held."""
    with contextlib.ExitStack() as stack:
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # NFS locks no folders
        stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
        stack.callback(fcntl.flock, descriptor, fcntl.LOCK_UN)  # gevent's close may come a moment later
        return stack.pop_all()
