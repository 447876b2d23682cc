"""What the YAML declares, made so in the store."""

from __future__ import annotations

from zrokd.model.audit import Actor, acting
from zrokd.model.limits import LimitAction, LimitClass, Limits
from zrokd.model.naming import Namespace
from zrokd.model.site import Invites, Site
from zrokd.service.services import Services

from .settings import BandwidthSettings, ByteSettings, ControllerSettings, LimitSettings, SignUpSettings


def ensure(services: Services, settings: ControllerSettings) -> None:
    """Frontends, namespaces and accounts of the YAML exist afterwards. Idempotent. Switches greenlets.

    :raises ZrokdError: one cannot be made so; those before it are.
    """
    with acting(Actor(name="configuration")):
        _ensure(services, settings)


def _ensure(services: Services, settings: ControllerSettings) -> None:
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


def bandwidth_of(settings: BandwidthSettings) -> tuple[LimitClass, ...]:
    """The limits of bytes in the YAML; empty when there are none."""
    pairs = ((LimitAction.WARNING, settings.warning), (LimitAction.LIMIT, settings.limit))
    every = (_class(action, asked, settings.period) for action, asked in pairs)
    return tuple(one for one in every if one.counts_bytes)


def _class(action: LimitAction, asked: ByteSettings, period_s: float) -> LimitClass:
    rx, tx, total = (-1 if most is None else most for most in (asked.rx, asked.tx, asked.total))
    minutes = max(1, round(period_s / 60))
    return LimitClass(period_minutes=minutes, rx_bytes=rx, tx_bytes=tx, total_bytes=total, limit_action=action)


def site_of(settings: SignUpSettings) -> Site:
    """What people are told, by the YAML."""
    return Site(
        invites=Invites(settings.invites),
        contact=settings.contact,
        terms_link=settings.terms_link,
        new_account_link=settings.new_account_link,
        register_url=settings.register_url,
        reset_url=settings.reset_url,
        register_within_s=settings.register_within,
        reset_within_s=settings.reset_within,
    )
