"""What the YAML declares, made so in the store."""

from __future__ import annotations

from zrokd.model.limits import Limits
from zrokd.model.naming import Namespace
from zrokd.service.services import Services

from .settings import ControllerSettings, LimitSettings


def ensure(services: Services, settings: ControllerSettings) -> None:
    """Frontends, namespaces and accounts of the YAML exist afterwards. Idempotent. Switches greenlets.

    :raises ZrokdError: one cannot be made so; those before it are.
    """
    for name, frontend in settings.frontends.items():
        services.frontends.ensure(name, frontend.token.reveal())
    for token, declared in settings.namespaces.items():
        namespace = Namespace(
            token=token, zone=declared.zone, description=declared.description, open=declared.open, url=declared.url
        )
        services.namespaces.ensure(namespace, declared.frontends)
    for account in settings.accounts:
        services.accounts.ensure(account.email, account.token.reveal())


def limits_of(settings: LimitSettings) -> Limits:
    """The limits of the YAML."""
    return Limits(
        environments=settings.environments, shares=settings.shares, names=settings.names, accesses=settings.accesses
    )
