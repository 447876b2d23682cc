"""The real overlay: OpenZiti carries bytes between machines. The edge client is our own, pure Python under gevent."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from zrokd import hookimpl
from zrokd.contracts import Health, Node, Overlay, Step
from zrokd.errors import OverlayError, StartError
from zrokd.model.units import Secret

from .edge import EdgeApi
from .identity import IdentityFile
from .management import Management
from .node import ZitiNode
from .settings import AdminSettings, ZitiSettings
from .standing import Names, bootstrap, unbootstrap

if TYPE_CHECKING:  # certificates are made by controllers alone; a backend is 10 MiB smaller without
    from .admin import ZitiAdmin
    from .managed import ManagedNetwork


class ZitiOverlay(Overlay):
    """An OpenZiti network: one that is there, or one of our own."""

    name = "ziti"
    Settings = ZitiSettings

    _network: ManagedNetwork | None = None
    _management: Management | None = None

    def open(self) -> None:
        """Start the network of our own, where the YAML asks for one. :raises StartError: it does not start."""
        if self.settings.managed is not None:
            from .managed import ManagedNetwork

            self._network = ManagedNetwork(self.settings.managed, self.ctx)
            self._network.open(self._connect)

    def close(self) -> None:
        """Close the connections, and end the network of our own."""
        if self._management is not None:
            self._management.close()
        if self._network is not None:
            self._network.close()

    def health(self) -> Health:
        """Whether the network's controller answers, as far as we ask it, and the network of our own runs."""
        if self._network is not None and not (health := self._network.health()).ok:
            return health
        trouble = self._management.trouble if self._management is not None else ""
        return Health(ok=not trouble, detail=trouble)

    @classmethod
    def settings_of_worker(cls, settings: ZitiSettings) -> ZitiSettings:
        """How routers are used; the network of our own is the daemon's to run, and administration its to do."""
        return ZitiSettings(edge=settings.edge)

    def node(self, identity: str) -> Node:
        """A handle for an identity document, as any SDK of OpenZiti writes it. :raises OverlayError: it is damaged."""
        parsed = IdentityFile.parse(identity)
        settings = self.settings.edge
        api = EdgeApi(parsed, log=self.ctx.log, spawn=self.ctx.spawn, settings=settings)
        return ZitiNode(parsed, api, settings, self.ctx)

    def admin(self, instance: str) -> ZitiAdmin:
        """The administrator's half. Makes what an instance needs on the network, or, where told so, only checks.

        While no controller of the network answers, its calls fail, and the first that is answered does that.
        :raises OverlayError: `admin` is not configured, the network refuses, or something is missing.
        """
        from .admin import ZitiAdmin
        from .footing import Footing

        only_check = self.settings.admin is not None and not self.settings.admin.bootstrap
        footing = Footing(self.management(), instance, only_check=only_check, log=self.ctx.log)
        footing.begin()
        return ZitiAdmin(self.management(), instance, self.ctx.state_dir, self.ctx.log, footing.ensure)

    def bootstrap(self, instance: str, *, dry_run: bool = False) -> list[Step]:
        """Make what an instance needs on the network: a config type, and policies that go by role attributes."""
        return bootstrap(self.management(), Names(instance), dry_run=dry_run)

    def unbootstrap(self, instance: str, *, dry_run: bool = False) -> list[Step]:
        """Take away all that an instance has on the network."""
        return unbootstrap(self.management(), Names(instance), dry_run=dry_run)

    def management(self) -> Management:
        """The management API. :raises OverlayError: `admin` is not configured."""
        if self._management is None:
            self._management = self._administrator()
        return self._management

    def _administrator(self) -> Management:
        settings = self.settings
        if self._network is not None:
            network = self._network
            admin = AdminSettings(username=network.username, password=network.password)
            return Management((network.url,), network.ca, admin, log=self.ctx.log, advertised=(network.advertised_url,))
        if settings.managed is not None:
            raise OverlayError("a managed network is made ready by its daemon, at each start")
        if settings.admin is None:
            raise OverlayError("the controller role needs overlay.admin: an administrator of the Ziti network")
        return Management(settings.controller, _authorities(settings.ca), settings.admin, log=self.ctx.log)

    def _connect(self, url: str, username: str, password: Secret, ca: str) -> Management:
        return Management((url,), ca, AdminSettings(username=username, password=password), log=self.ctx.log)


def _authorities(path: str) -> str:
    try:
        return Path(path).read_text() if path else ""
    except OSError as error:
        raise StartError(f"overlay.ca: {path} cannot be read: {error.strerror}") from error


@hookimpl
def zrokd_provide_overlays() -> Iterable[type[Overlay]]:
    """This overlay."""
    return [ZitiOverlay]
