"""The keys of an LDAP directory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from zrokd.contracts import DurationS, Mistake, SecretSetting, rule
from zrokd.contracts.people import PeopleSettings
from zrokd.model.units import Secret

_URL = re.compile(r"ldaps?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?/?")
LOGIN = "{login}"


def _url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise ValueError(f"{value!r} is no server; write it ldaps://ldap.example.com, or ldap:// for StartTLS")
    return value


def _filter(value: str) -> str:
    if LOGIN not in value:
        raise ValueError(f"{value!r} finds the same for everybody; write {LOGIN} where the name goes: (mail={LOGIN})")
    return value


class LdapSettings(PeopleSettings):
    """A directory, its servers, and how people are found in it."""

    servers: list[Annotated[str, AfterValidator(_url)]] = Field(
        min_length=1,
        description="Its servers, asked in this order until one answers: `ldaps://HOST`, or `ldap://HOST`, where "
        "StartTLS comes before anything else.",
    )
    plain: bool = Field(
        default=False, description="Whether `ldap://` is spoken without TLS: passwords cross the network readable."
    )
    ca: str = Field(default="", description="File of certificates that sign the servers'; left out: the system's.")
    bind_dn: str = Field(default="", description="Who searches; left out: anonymously.")
    bind_password: SecretSetting = Field(default=Secret(""), description="The password of `bind_dn`.")
    base: str = Field(min_length=1, description="Below which people are, such as `ou=people,dc=example,dc=com`.")
    filter: Annotated[str, AfterValidator(_filter)] = Field(
        default="(mail={login})",
        description="Finds one person; `{login}` stands for what was typed as e-mail address. Say here who may log in "
        "at all.",
    )
    email: str = Field(
        default="mail",
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        description="The attribute with the e-mail address, which says whose account it is: people must not be able to "
        "change their own.",
    )
    admin_groups: list[str] = Field(
        default_factory=list,
        description="DNs of groups; who is `member` or `uniqueMember` of one is an administrator.",
    )
    timeout: DurationS = Field(
        default=3.0, ge=1.0, le=10.0, description="How long a server may take to connect, and for each answer."
    )

    @rule
    def _bind_is_whole(self) -> Iterator[Mistake]:
        if bool(self.bind_dn) != bool(self.bind_password.reveal()):
            alone = "bind_dn" if self.bind_dn else "bind_password"
            sentence = "bind_dn and bind_password belong together: a bind without a password proves nothing"
            yield Mistake(sentence, (alone,))

    def caution(self) -> Iterator[Mistake]:
        """That passwords can be read on the way."""
        if self.plain and any(url.startswith("ldap://") for url in self.servers):
            yield Mistake("with plain: true passwords go to the directory unencrypted", ("plain",))
