"""The embedded overlay: UNIX sockets in a folder. One machine, several processes, no network, no accounts.

Who may meet is decided by the rights on the folder: it is setgid and group-writable, so that everybody in its group
may bind and dial. Layout: DIR/TOKEN/ is a service, DIR/TOKEN/.instance says whose, .access-IDENTITY.ACCESS is an access
onto it, and each entry without a dot there is the socket of one bound terminator.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import Node, Overlay, OverlayAdmin, Settings
from zrokd.errors import OverlayError

from .admin import LocalAdmin
from .folder import Folder
from .guests import Guests
from .node import LocalNode


class LocalSettings(Settings):
    """Settings of overlay.local."""

    dir: str = Field(
        default="",
        description="Folder of the sockets. Daemons that are to meet name the same one. Default: one in state_dir.",
    )
    group: str = Field(
        default="",
        description="Group (name or number) that may bind and dial, when the folder is made here. Default: ours.",
    )


class LocalOverlay(Overlay):
    """UNIX sockets on one machine."""

    name = "local"
    Settings = LocalSettings
    lacks = frozenset({"abort"})  # a UNIX socket's peer sees an end

    def node(self, identity: str) -> Node:
        """A handle for an identity document. :raises OverlayError: it is none of this overlay's."""
        path, z_id = _parsed(identity)
        folder = Folder(path)
        return LocalNode(folder, self.ctx.log, Guests(folder, z_id, self.ctx.spawn))

    def admin(self, instance: str) -> OverlayAdmin:
        """The administrator's half; makes the folder. :raises OverlayError: it cannot be made or written."""
        folder = Folder(self._dir())
        folder.make(self.settings.group)
        return LocalAdmin(folder, instance, self.ctx.offload)

    def _dir(self) -> Path:
        path = Path(self.settings.dir) if self.settings.dir else self.ctx.state_dir / "services"
        return path.absolute()


def _parsed(identity: str) -> tuple[Path, str]:
    try:
        document = json.loads(identity)
        if document["overlay"] == "local":
            return Path(document["dir"]), str(document["id"])
    except (ValueError, TypeError, KeyError) as error:
        raise OverlayError("the identity document is damaged; enable this host again") from error
    raise OverlayError(f"the identity document is for overlay {document['overlay']!r}, and this daemon uses local")


@hookimpl
def zrokd_provide_overlays() -> Iterable[type[Overlay]]:
    """This overlay."""
    return [LocalOverlay]
