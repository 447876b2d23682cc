"""The vendor's own library as an overlay, for those who want it: `zrokd[openziti]`, in a process of its own.

It can do less than `overlay.ziti`, which is the one to use; `lacks` says what. This one only dials and binds: the
controller always uses `overlay.ziti`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import DurationS, Node, Overlay, OverlayAdmin, Settings
from zrokd.errors import OverlayError

from .assistant import parse_identity
from .node import OpenzitiNode


class OpenzitiSettings(Settings):
    """Settings of overlay.openziti."""

    probe_every: DurationS = Field(
        default=5.0,
        gt=0,
        description="How often a node that serves dials a service of its own; two failures replace its worker.",
    )
    streams: int = Field(default=256, ge=1, description="How many streams one worker may carry; they end with it.")


class OpenzitiOverlay(Overlay):
    """An OpenZiti network, reached through the vendor's library."""

    name = "openziti"
    Settings = OpenzitiSettings
    lacks: ClassVar[frozenset[str]] = frozenset({"backpressure", "abort", "half-close", "unbind", "loss", "said"})

    def node(self, identity: str) -> Node:
        """As the contract says: a worker process each."""
        settings = self.settings
        return OpenzitiNode(
            parse_identity(identity), self.ctx, probe_every_s=settings.probe_every, most_streams=settings.streams
        )

    def admin(self, instance: str) -> OverlayAdmin:  # noqa: ARG002
        """Never. :raises OverlayError: and what to use."""
        raise OverlayError("overlay.openziti cannot administer a network; the controller role needs overlay.ziti")


@hookimpl
def zrokd_provide_overlays() -> Iterable[type[Overlay]]:
    """This overlay."""
    return [OpenzitiOverlay]
