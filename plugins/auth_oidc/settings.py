"""The keys of an OpenID provider."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from zrokd.contracts import DurationS
from zrokd.contracts.people import PeopleSettings

#: Those whose keys are public. One that is not would let whoever reads the provider's page sign.
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]


def _issuer(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(
            f"{value!r} is no issuer; write it as the provider does, like https://id.example.com/realms/us"
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname)):
        raise ValueError(f"{value!r} must begin with https://: who answers for it says who people are")
    return value


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class OidcSettings(PeopleSettings):
    """A provider, and which of its tokens count."""

    issuer: Annotated[str, AfterValidator(_issuer)] = Field(
        description="The provider's own name for itself, a URL below which its /.well-known/openid-configuration is."
    )
    audience: list[Annotated[str, Field(min_length=1)]] = Field(
        min_length=1, description="Of whom a token must be meant for one: the ids of clients that the provider knows."
    )
    algorithms: list[Algorithm] = Field(
        default=["RS256", "ES256"], min_length=1, description="By which tokens may be signed."
    )
    email: str = Field(
        default="email", min_length=1, description="The claim with the e-mail address, which says whose account it is."
    )
    unverified: bool = Field(
        default=False,
        description="Whether `email` counts without `email_verified`: only where people cannot choose it themselves.",
    )
    groups: str = Field(
        default="groups", description="The claim that lists groups; dots lead into objects, as in `realm_access.roles`."
    )
    admin_groups: list[str] = Field(default_factory=list, description="Who is in one of these is an administrator.")
    leeway: DurationS = Field(default=30.0, ge=0, le=300, description="How far the provider's clock may be off.")
    keys_for: DurationS = Field(
        default=3600.0,
        ge=1,
        description="How long its keys are believed without asking again; unknown ones are asked for.",
    )
    keys_until: DurationS = Field(
        default=86400.0, ge=0, description="How long beyond that they are believed while it does not answer."
    )
    ca: str = Field(default="", description="File of certificates that sign the provider's; left out: the system's.")
    timeout: DurationS = Field(default=3.0, gt=0, le=6.0, description="How long the provider may take for each answer.")
