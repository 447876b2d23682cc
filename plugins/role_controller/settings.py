"""The controller's keys."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

from pydantic import Field

from zrokd.contracts import (
    AddressSetting,
    DurationS,
    Mistake,
    NetworkSetting,
    SecretSetting,
    Settings,
    SizeBytes,
    passes,
    repeated,
    rule,
)
from zrokd.errors import Invalid
from zrokd.model.naming import Namespace, check_zone
from zrokd.model.units import Address, Secret
from zrokd.net.threshold import ProxyProtocolSettings
from zrokd.net.tls.settings import TlsSettings
from zrokd.service.checks import check_email, check_token, check_word
from zrokd.service.namespaces import check_namespace


def _is_url(url: str) -> None:
    if "{host}" not in url:
        raise Invalid("the URL of a namespace needs {host} in it, which stands for the host name")


def _token_of(what: str) -> Callable[[Secret], object]:
    return lambda token: check_token(token.reveal(), what)


def _said(path: tuple[str | int, ...], check: Callable[..., object], *what: object) -> Iterator[Mistake]:
    """What a rule of the service says against a part of the settings: the start would, too."""
    try:
        check(*what)
    except Invalid as error:
        yield Mistake(str(error), path)


_HERE = ("localhost", "127.0.0.1", "::1")


class NamespaceSettings(Settings):
    """A DNS zone of names."""

    zone: Annotated[str, passes(check_zone)] = Field(description="The suffix of its names, such as share.example.com.")
    url: Annotated[str, passes(_is_url)] = Field(
        default="http://{host}", description="The URL people use; `{host}` stands for the host name."
    )
    description: str = Field(default="", description="What it is for, told to accounts.")
    open: bool = Field(default=False, description="Whether every account may use it, or only those granted.")
    frontends: list[str] = Field(default_factory=list, description="The frontends that serve it, by name.")


class FrontendSettings(Settings):
    """A public entrance that may ask this controller for names, as long as it stands here."""

    token: Annotated[SecretSetting, passes(_token_of("a frontend"))] = Field(
        description="What the frontend shows as its `token`."
    )


class AccountSettings(Settings):
    """An account that every start makes sure of. Taken out, it stays until `zrokd admin delete account` ends it."""

    email: Annotated[str, passes(check_email)] = Field(description="Its e-mail address.")
    token: Annotated[SecretSetting, passes(_token_of("an account"))] = Field(description="Its account token.")


class ByteSettings(Settings):
    """Bytes in a period; what is left out is endless."""

    rx: SizeBytes | None = Field(default=None, description="From visitors.")
    tx: SizeBytes | None = Field(default=None, description="To visitors.")
    total: SizeBytes | None = Field(default=None, description="Both together.")


class BandwidthSettings(Settings):
    """What may go through the shares of an account without a limit class of bytes; left out: anything."""

    period: DurationS = Field(
        default=86400.0, ge=60.0, le=366 * 86400.0, description="In how much time the bytes are counted, up to now."
    )
    warning: ByteSettings = Field(default_factory=ByteSettings, description="When the account gets a mail.")
    limit: ByteSettings = Field(
        default_factory=ByteSettings, description="When its shares let no visitors in until less has gone through."
    )


class LimitSettings(Settings):
    """How many of each an account may have; -1 is endless."""

    environments: int = Field(default=-1, ge=-1, description="Enabled hosts.")
    shares: int = Field(default=-1, ge=-1, description="Shares at a time.")
    names: int = Field(default=-1, ge=-1, description="Reserved names.")
    accesses: int = Field(default=-1, ge=-1, description="Accesses onto one share, charged to its owner.")
    bandwidth: BandwidthSettings = Field(
        default_factory=BandwidthSettings, description="What may go through its shares."
    )
    check_every: DurationS = Field(
        default=10.0, ge=0.1, le=60.0, description="How often bytes are compared with their limits."
    )


class MailSettings(Settings):
    """Where mails go: into a folder, for the operator to hand on, or to a mail server."""

    use: Literal["file", "smtp"] = Field(default="file", description="`file` or `smtp`.")
    dir: str = Field(default="", description="The folder of `file`; left out: `mail` in the controller's own folder.")
    sender: str = Field(default="zrokd@localhost", description="Who writes, as `name@host` or `Name <name@host>`.")
    host: str = Field(default="localhost", description="The mail server of `smtp`.")
    port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls", description="How the mail server's connection is encrypted; `none` is for this machine."
    )
    ca: str = Field(default="", description="File of certificates that sign the server's; left out: the system's.")
    username: str = Field(default="", description="For the mail server; left out: it asks for none.")
    password: SecretSetting = Field(default=Secret(""), description="The password of `username`.")

    @rule
    def _password_is_guarded(self) -> Iterator[Mistake]:
        if self.use == "smtp" and self.username and self.tls == "none" and self.host not in _HERE:
            sentence = "a password does not go over an unencrypted connection; set tls to starttls or implicit"
            yield Mistake(sentence, ("tls",))


class SignUpSettings(Settings):
    """How people get an account without the operator."""

    invites: Literal["closed", "token", "open"] = Field(
        default="closed",
        description="Who may ask for one: nobody (`closed`), who has an invite token (`token`), or everybody (`open`).",
    )
    contact: str = Field(default="", description="Whom to ask for an invite token, told to clients.")
    terms_link: str = Field(default="", description="HTML that leads to the terms of use, told to clients.")
    new_account_link: str = Field(default="", description="HTML that leads to a new account, told to clients.")
    register_url: str = Field(
        default="", description="Of the page that makes an account; `/` and a token are appended. Left out: the token."
    )
    reset_url: str = Field(
        default="",
        description="The same of the page that changes a password.",
    )
    register_within: DurationS = Field(default=86400.0, ge=60.0, description="How long an invitation is good.")
    reset_within: DurationS = Field(default=900.0, ge=60.0, description="The same of a request for a new password.")


class ControllerSettings(Settings):
    """The controller."""

    listen: AddressSetting = Field(default=Address(host="127.0.0.1", port=18080), description="Where the API listens.")
    tls: TlsSettings | None = Field(default=None, description="TLS on `listen`; left out: plain HTTP.")
    proxy_protocol: ProxyProtocolSettings | None = Field(
        default=None, description="Balancers in front of `listen` that tell who connects; left out: clients connect."
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
    sign_up: SignUpSettings = Field(default_factory=SignUpSettings, description="How people get an account.")
    mail: MailSettings = Field(default_factory=MailSettings, description="Where mails to people go.")
    auto_migrate: bool = Field(default=True, description="Bring the database up to date at the start.")
    reconcile_every: DurationS = Field(default=60.0, ge=1.0, description="How often store and overlay are compared.")
    beat_every: DurationS = Field(
        default=1.0,
        ge=0.1,
        description="How often a controller that shares its database shows that it lives, and finds out whether it is "
        "the one that compares. After two that it misses, others go on with what it was at.",
    )
    news_every: DurationS = Field(
        default=0.25,
        ge=0.01,
        description="How often a controller that shares its database looks for names that others changed.",
    )
    audit_keep: DurationS = Field(
        default=365 * 86400.0, ge=86400.0, description="How long the audit trail keeps a record; at least a day."
    )
    max_body: SizeBytes = Field(default=64 * 1024, description="The largest request.")
    max_wait: DurationS = Field(default=30.0, description="The longest wait of a frontend for news.")
    agent_timeout: DurationS = Field(
        default=25.0, ge=1.0, description="How long an agent may take to do what it is told; beyond: 502."
    )
    max_connections: int = Field(default=2000, ge=1, description="Connections at a time; more wait in the kernel.")
    per_address: int = Field(
        default=100,
        ge=1,
        description="Connections of one IPv4 address or IPv6 /64; loopback and trusted_proxies are not counted.",
    )
    trusted_proxies: list[NetworkSetting] = Field(
        default=[], description="Reverse proxies in front of the API, whose connections per_address leaves out."
    )

    @rule
    def _frontends_have_names(self) -> Iterator[Mistake]:
        for name in self.frontends:
            yield from _said(("frontends", name), check_word, name, "name of a frontend")

    @rule
    def _namespaces_can_be_kept(self) -> Iterator[Mistake]:
        for token, each in self.namespaces.items():
            namespace = Namespace(token=token, zone=each.zone, description=each.description, url=each.url)
            yield from _said(("namespaces", token), check_namespace, namespace)

    @rule
    def _frontends_are_known(self) -> Iterator[Mistake]:
        for token, namespace in self.namespaces.items():
            for index, name in enumerate(namespace.frontends):
                if name not in self.frontends:
                    close = difflib.get_close_matches(name, self.frontends, 1)
                    hint = f"did you mean {close[0]!r}?" if close else "name it in `frontends`, with a token"
                    yield Mistake(f"no frontend is called {name!r}", ("namespaces", token, "frontends", index), hint)

    @rule
    def _zones_differ(self) -> Iterator[Mistake]:
        zones = ((("namespaces", token, "zone"), each.zone) for token, each in self.namespaces.items())
        for path, first in repeated(zones):
            yield Mistake("another namespace has this zone", path, first=first)

    @rule
    def _frontend_tokens_differ(self) -> Iterator[Mistake]:
        tokens = ((("frontends", name, "token"), each.token) for name, each in self.frontends.items())
        for path, first in repeated(tokens):
            yield Mistake("another frontend has this token", path, first=first)

    @rule
    def _accounts_differ(self) -> Iterator[Mistake]:
        accounts = list(enumerate(self.accounts))
        for path, first in repeated((("accounts", index, "email"), each.email.lower()) for index, each in accounts):
            yield Mistake("this account stands twice", path, first=first)
        for path, first in repeated((("accounts", index, "token"), each.token) for index, each in accounts):
            yield Mistake("another account has this token", path, first=first)
