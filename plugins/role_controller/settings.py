"""The controller's keys."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from zrokd.contracts import AddressSetting, DurationS, SecretSetting, Settings, SizeBytes
from zrokd.model.units import Address


def _network(text: str) -> str:
    ipaddress.ip_network(text, strict=False)
    return text


Network = Annotated[str, AfterValidator(_network)]


class NamespaceSettings(Settings):
    """A DNS zone of names."""

    zone: str = Field(description="The suffix of its names, such as share.example.com.")
    url: str = Field(default="http://{host}", description="The URL people use; `{host}` stands for the host name.")
    description: str = Field(default="", description="What it is for, told to accounts.")
    open: bool = Field(default=False, description="Whether every account may use it, or only those granted.")
    frontends: list[str] = Field(default_factory=list, description="The frontends that serve it, by name.")


class FrontendSettings(Settings):
    """A public entrance that may ask this controller for names, as long as it stands here."""

    token: SecretSetting = Field(description="What the frontend shows as its `token`.")


class AccountSettings(Settings):
    """An account that every start makes sure of. Taken out, it stays until `zrokd admin delete account` ends it."""

    email: str = Field(description="Its e-mail address.")
    token: SecretSetting = Field(description="Its account token.")


class LimitSettings(Settings):
    """How many of each an account may have; -1 is endless."""

    environments: int = Field(default=-1, ge=-1, description="Enabled hosts.")
    shares: int = Field(default=-1, ge=-1, description="Shares at a time.")
    names: int = Field(default=-1, ge=-1, description="Reserved names.")
    accesses: int = Field(default=-1, ge=-1, description="Accesses onto one share, charged to its owner.")


class ControllerSettings(Settings):
    """The controller."""

    listen: AddressSetting = Field(
        default=Address(host="127.0.0.1", port=18080), description="Where the API listens. Put TLS before it."
    )
    instance: str = Field(
        default="",
        pattern=r"^([a-z0-9][a-z0-9-]{0,31})?$",
        description="Tags our objects on the overlay, so that several controllers can share one network. "
        "Left out: a random text that the database keeps.",
    )
    namespaces: dict[str, NamespaceSettings] = Field(
        default_factory=dict,
        description="Zones of names, by token; made so at every start.",
    )
    frontends: dict[str, FrontendSettings] = Field(default_factory=dict, description="Public entrances, by name.")
    accounts: list[AccountSettings] = Field(
        default_factory=list, description="Accounts that every start makes sure of."
    )
    limits: LimitSettings = Field(default_factory=LimitSettings, description="What an account may have.")
    auto_migrate: bool = Field(default=True, description="Bring the database up to date at the start.")
    reconcile_every: DurationS = Field(default=60.0, ge=1.0, description="How often store and overlay are compared.")
    max_body: SizeBytes = Field(default=64 * 1024, description="The largest request.")
    max_wait: DurationS = Field(default=30.0, description="The longest wait of a frontend for news.")
    max_connections: int = Field(default=2000, ge=1, description="Connections at a time; more wait in the kernel.")
    per_address: int = Field(
        default=100,
        ge=1,
        description="Connections of one IPv4 address or IPv6 /64; loopback and trusted_proxies are not counted.",
    )
    trusted_proxies: list[Network] = Field(
        default=[], description="Reverse proxies in front of the API, whose connections per_address leaves out."
    )
