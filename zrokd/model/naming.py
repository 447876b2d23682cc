"""Names, namespaces, mappings, and the grammar of tokens."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field, replace

from zrokd.errors import BadName, Invalid
from zrokd.model.share import Gating

# No vowels and no digits that read as letters: a random name never spells a word.
_UNSPEAKABLE = "bcdfghjkmnpqrstvwxz256789"
_MIXED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
TOKEN_LENGTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A DNS zone of names. `zone` is the suffix; `url` a pattern such as "https://{host}" for people."""

    token: str
    zone: str
    description: str = ""
    open: bool = False
    url: str = "http://{host}"
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A label in a namespace. A reserved one outlives the share that uses it."""

    namespace: str
    zone: str
    name: str
    reserved: bool = True
    share_token: str = ""  # empty while no share uses it
    created_at_ms: int = 0

    @property
    def host(self) -> str:
        """The full host name."""
        return f"{self.name}.{self.zone}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Host name -> share token, as frontends are told it. A deletion travels as a mapping with an empty token."""

    version: int
    host: str
    token: str = ""
    mode: str = ""
    gating: Gating = field(default_factory=Gating)
    limited: bool = False  # nobody is let through now
    interstitial: bool = True  # who never heard of the account warns

    @property
    def deleted(self) -> bool:
        """Whether this takes the host away."""
        return not self.token


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingChanges:
    """What changed since a version. `full` means: forget what you had, this is everything.

    `epoch` names the store the versions count in: versions of another epoch cannot be compared.
    `next`, when not empty, is to be asked for in place of the epoch: this is everything up to `version`, and that the
    rest of it.
    """

    epoch: str
    version: int
    full: bool
    mappings: tuple[Mapping, ...]
    next: str = ""

    def followed_by(self, rest: MappingChanges) -> MappingChanges:
        """This and what was asked for by `next`; that alone when it begins anew."""
        return rest if rest.epoch != self.epoch else replace(rest, mappings=self.mappings + rest.mappings)


def new_share_token() -> str:
    """A random share token: 12 characters of lower case and digits, fit for a DNS label, spelling nothing."""
    return "".join(secrets.choice(_UNSPEAKABLE) for _ in range(TOKEN_LENGTH))


def new_token() -> str:
    """A random token for everything that is not a host name: 12 letters and digits of both cases."""
    return "".join(secrets.choice(_MIXED) for _ in range(TOKEN_LENGTH))


def new_secret() -> str:
    """A random token that people keep in files; it begins so that who searches files for secrets finds it."""
    return "zrokd_" + "".join(secrets.choice(_MIXED) for _ in range(32))


def check_name(name: str) -> str:
    """`name`, when it may be reserved.

    :raises BadName: says the rule. Source: zrok rule `^[a-z0-9-]{3,63}$`, narrowed to RFC 1123 labels.
    """
    if not (3 <= len(name) <= 63 and _LABEL.fullmatch(name)):
        rule = f"{name!r} is not a valid name: 3 to 63 of a-z, 0-9 and -, with a letter or digit first and last"
        spelt = _spelt(name)
        raise BadName(f"{rule}; write {spelt}" if spelt else rule)
    return name


def _spelt(name: str) -> str:
    """How DNS spells a name with capitals or other letters; "" when it is none there either. Source: RFC 3490 §4.1."""
    try:
        label = name[:64].lower().encode("idna").decode("ascii")
    except UnicodeError:
        return ""
    return label if 3 <= len(label) <= 63 and _LABEL.fullmatch(label) else ""


def check_share_token(token: str) -> str:
    """`token`, when a private share may choose it.

    :raises BadName: says the rule. Source: zrok rule `^[a-z0-9-]{3,32}$`.
    """
    if not (3 <= len(token) <= 32 and _LABEL.fullmatch(token)):
        raise BadName(
            f"{token!r} is not a valid share token: 3 to 32 of a-z, 0-9 and -, with a letter or digit first and last"
        )
    return token


def check_zone(zone: str) -> str:
    """`zone`, when names can be made in it: dotted RFC 1123 labels in lower case.

    :raises Invalid: says the rule.
    """
    if len(zone) > 180 or not all(len(label) <= 63 and _LABEL.fullmatch(label) for label in zone.split(".")):
        raise Invalid(f"{zone!r} is not a DNS zone: write it like share.example.com, in lower case")
    return zone


def canonical_host(host: str) -> str:
    """The one form of a Host value by which we route: lower case, no port, no final dot. "" when it is none.

    Source: RFC 9110 §4.2.3.
    """
    name, colon, port = host.rpartition(":")
    if colon and "]" not in port:
        if not port.isdecimal() and port:
            return ""
        host = name
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        return ""
    host = host.lower().removesuffix(".")
    return "" if "" in host.split(".") else host
