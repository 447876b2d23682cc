"""A line in the log for each host that is enabled, each share and each access, and for its end.

For who watches the log; what must not be lost is in the audit trail, which is written with the change itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from zrokd import hookimpl
from zrokd.contracts import Observer, Settings
from zrokd.model.account import Principal
from zrokd.model.environment import Environment
from zrokd.model.share import Access, Share


class ChangesSettings(Settings):
    """observer.changes has no settings."""


class ChangesObserver(Observer):
    """Tells of changes. In the controller's daemon."""

    name = "changes"
    Settings = ChangesSettings

    @hookimpl
    def zrokd_on_environment_created(self, environment: Environment, principal: Principal) -> None:
        """A host is enabled."""
        self.ctx.log.info("%s enabled environment %s on host %r", principal, environment.z_id, environment.host)

    @hookimpl
    def zrokd_on_environment_deleted(self, environment: Environment, principal: Principal) -> None:
        """It is not any more."""
        self.ctx.log.info("%s ended environment %s", principal, environment.z_id)

    @hookimpl
    def zrokd_on_share_created(self, share: Share, principal: Principal) -> None:
        """Something is shared; its target, which may hold a password, is not told."""
        where = ", ".join(share.endpoints) or "nobody but who is granted an access"
        told = (principal, share.token, share.mode, share.env_z_id, where)
        self.ctx.log.info("%s made share %s (%s) in environment %s for %s", *told)

    @hookimpl
    def zrokd_on_share_deleted(self, share: Share, principal: Principal) -> None:
        """It is not any more."""
        self.ctx.log.info("%s ended share %s", principal, share.token)

    @hookimpl
    def zrokd_on_access_created(self, access: Access, principal: Principal) -> None:
        """An environment may dial a share."""
        told = (principal, access.token, access.share_token, access.env_z_id)
        self.ctx.log.info("%s made access %s onto share %s in environment %s", *told)

    @hookimpl
    def zrokd_on_access_deleted(self, access: Access, principal: Principal) -> None:
        """It may not any more."""
        self.ctx.log.info("%s ended access %s onto share %s", principal, access.token, access.share_token)


@hookimpl
def zrokd_provide_observers() -> Iterable[type[Observer]]:
    """The observer of this module."""
    return [ChangesObserver]
