"""The controller's keys."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from zrokd.contracts import AddressSetting, DurationS, SecretSetting, Settings, SizeBytes
from zrokd.errors import Invalid
from zrokd.model.naming import check_zone
from zrokd.model.units import Address, Secret
from zrokd.service.checks import check_email, check_token


def _passes(check: Callable[[Any], object]) -> AfterValidator:
    """The value as it is, where `check` raises nothing."""

    def checked(value: Any) -> Any:
        try:
            check(value)
        except Invalid as error:
            raise ValueError(str(error)) from error
        return value

    return AfterValidator(checked)


def _is_url(url: str) -> None:
    if "{host}" not in url:
        raise Invalid("the URL of a namespace needs {host} in it, which stands for the host name")


def _token_of(what: str) -> Callable[[Secret], object]:
    return lambda token: check_token(token.reveal(), what)


def _network(text: str) -> str:
    ipaddress.ip_network(text, strict=False)
    return text


Network = Annotated[str, AfterValidator(_network)]


class NamespaceSettings(Settings):
    """A DNS zone of names."""

    zone: Annotated[str, _passes(check_zone)] = Field(description="The suffix of its names, such as share.example.com.")
    url: Annotated[str, _passes(_is_url)] = Field(
        default="http://{host}", description="The URL people use; `{host}` stands for the host name."
    )
    description: str = Field(default="", description="What it is for, told to accounts.")
    open: bool = Field(default=False, description="Whether every account may use it, or only those granted.")
    frontends: list[str] = Field(default_factory=list, description="The frontends that serve it, by name.")


class FrontendSettings(Settings):
    """A public entrance that may ask this controller for names, as long as it stands here."""

    token: Annotated[SecretSetting, _passes(_token_of("a frontend"))] = Field(
        description="What the frontend shows as its `token`."
    )


class AccountSettings(Settings):
    """An account that every start makes sure of. Taken out, it stays until `zrokd admin delete account` ends it."""

    email: Annotated[str, _passes(check_email)] = Field(description="Its e-mail address.")
    token: Annotated[SecretSetting, _passes(_token_of("an account"))] = Field(description="Its account token.")


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

    @model_validator(mode="after")
    def _frontends_are_known(self) -> ControllerSettings:
        for token, namespace in self.namespaces.items():
            for name in namespace.frontends:
                if name not in self.frontends:
                    close = difflib.get_close_matches(name, self.frontends, 1)
                    hint = f"did you mean {close[0]!r}?" if close else "name it in `frontends`, with a token"
                    raise ValueError(f"namespace {token!r}: no frontend is called {name!r}; {hint}")
        return self
