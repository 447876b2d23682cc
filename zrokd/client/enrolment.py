"""By which overlay service the agent of an environment is reached: asked of the controller once, and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from zrokd.client.files import read_json, write_json
from zrokd.errors import Invalid, StartError

_VERSION = 1


class Controller(Protocol):
    """Who makes the service, in the name of one account."""

    def enroll_agent(self, z_id: str) -> str:
        """The token of the environment's agent. :raises Invalid: it has one already."""

    def unenroll_agent(self, z_id: str) -> None:
        """Take that back. :raises Invalid: it has none."""


class EnrolmentFile:
    """`agent.json` in a folder, mode 0600. That it is there means: the controller may command this host."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "agent.json"

    def load(self, z_id: str) -> str:
        """The token for an environment; "" when there is none. :raises StartError: the file cannot be read."""
        found = read_json(self.path) or {}
        token = found.get("token")
        known = found.get("version") == _VERSION and found.get("z_id") == z_id and isinstance(token, str)
        return str(token) if known else ""

    def save(self, z_id: str, token: str) -> None:
        """Keep it. :raises StartError: it cannot be written."""
        write_json(self.path, {"version": _VERSION, "z_id": z_id, "token": token})

    def delete(self) -> None:
        """Forget it. Idempotent. :raises StartError: the file cannot be removed."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise StartError(f"cannot remove {self.path}: {error.strerror}") from error


def enrol(controller: Controller, file: EnrolmentFile, z_id: str) -> str:
    """The token of a new enrolment, which `file` keeps. One whose token nobody here knows is replaced.

    :raises ZrokdError: what the controller says against it. :raises StartError: it cannot be kept, and was taken back.
    """
    try:
        token = controller.enroll_agent(z_id)
    except Invalid:
        controller.unenroll_agent(z_id)
        token = controller.enroll_agent(z_id)
    try:
        file.save(z_id, token)
    except StartError:
        controller.unenroll_agent(z_id)
        raise
    return token
