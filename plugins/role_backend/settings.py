"""What YAML says about a backend."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from zrokd.contracts import (
    DurationS,
    Mistake,
    SecretSetting,
    Settings,
    UrlSetting,
    Use,
    passes,
    repeated,
    rule,
    slot_use,
)
from zrokd.errors import Invalid
from zrokd.model.naming import check_name, check_share_token
from zrokd.model.units import Secret

_PUBLIC = "`{}` is for public shares; a private one has a `token` and `grants`"
_PRIVATE = "`{}` is for private shares; write `private: true`, or take it away"


def _name(value: str) -> object:
    return value and check_name(value)


def _token(value: str) -> object:
    return value and check_share_token(value)


def _is_user(value: Secret) -> None:
    name, _, password = value.reveal().partition(":")
    if not (name and password):
        raise Invalid("write each visitor as user:password")


class ShareSettings(Settings):
    """One share. Every key that is not named here belongs to its mode and stands beside: `{mode: web, target: /srv}`.

    The long form `mode: {use: web, target: /srv}` says the same, and is the only one for a mode with a key of the
    same name as one of these.
    """

    name: Annotated[str, passes(_name)] = Field(
        default="", description="Name under which it is public, reserved when nobody has it. Default: a random one."
    )
    namespace: str = Field(default="public", min_length=1, description="Namespace of the name.")
    private: bool = Field(default=False, description="Whether only holders of an access can come.")
    token: Annotated[str, passes(_token)] = Field(
        default="", description="Token of a private share. Default: a random one."
    )
    mode: slot_use("mode", "proxy", beside=True) = Field(description="What it does with a connection; default: proxy.")  # type: ignore[valid-type]
    permission: Literal["open", "closed"] = Field(
        default="closed", description="Which accounts may have an access to a private share: all, or those granted."
    )
    grants: list[str] = Field(default=[], description="E-mail addresses of accounts that may have an access.")
    required: bool = Field(
        default=False,
        description="Whether the daemon ends when the controller refuses this share (name or token taken, not allowed, "
        "over a limit) or somebody deletes it; left out: it is offered again and again.",
    )
    gate: str = Field(
        default="",
        pattern=r"^([a-z][a-z0-9_-]{0,31})?$",
        description="Gate that visitors must pass, by its name in the frontend's YAML; `basic_auth` means `basic`.",
    )
    basic_auth: list[Annotated[SecretSetting, passes(_is_user)]] = Field(
        default=[], description="Visitors who may pass, each as user:password; empty: everybody."
    )

    @rule
    def _fits(self) -> Iterator[Mistake]:
        closed, public = ("name", "gate", "basic_auth"), ("token", "grants")
        for key in closed if self.private else public:
            if getattr(self, key):
                yield Mistake(_PUBLIC.format(key) if self.private else _PRIVATE.format(key), (key,))
        if self.basic_auth and self.gate not in ("", "basic"):
            yield Mistake("`basic_auth` is what the gate `basic` asks; take it away, or the other `gate`", ("gate",))
        if self.gate == "basic" and not self.basic_auth:
            yield Mistake("the gate `basic` asks for the users in `basic_auth`, and there are none", ("gate",))

    def misfit(self) -> Iterator[Mistake]:
        """A public share must speak HTTP."""
        if not self.private and not self.use.component.http:
            sentence = f"mode {self.use.use} is for private shares; write `private: true`, or take another mode"
            yield Mistake(sentence, ("mode",))

    @property
    def gated(self) -> bool:
        """Whether a gate stands before it."""
        return bool(self.gate or self.basic_auth)

    @property
    def use(self) -> Use:
        """The mode."""
        mode: Use = self.mode
        return mode

    @property
    def lasting(self) -> bool:
        """Whether name or token are chosen here, so that the controller finds the share again by them."""
        return bool(self.name or self.token)

    @property
    def label(self) -> str:
        """How it is called in lists."""
        return self.name or self.token or str(getattr(self.use.settings, "target", "")) or self.use.use

    @property
    def title(self) -> str:
        """How it is called in sentences."""
        return f"share {'' if self.lasting else 'of '}{self.label}"

    @property
    def instance(self) -> str:
        """What its mode is called in logs."""
        return self.name or self.token or self.use.use

    @property
    def key(self) -> str:
        """What makes it the same share after a restart."""
        if self.token:
            return f"token:{self.token}"
        if self.name:
            return f"name:{self.namespace}:{self.name}"
        options = json.dumps([self.use.use, self.use.options, *self._closed_by()], sort_keys=True, default=str)
        digest = hashlib.sha256(options.encode()).hexdigest()[:16]
        return f"{'private' if self.private else f'public:{self.namespace}'}:{digest}"

    def _closed_by(self) -> list[object]:
        """What keeps visitors out, when something does: a share of before with other rules is another share."""
        users = [user.reveal() for user in self.basic_auth]
        rules = [self.gate, users, self.permission, self.grants]
        return [rules] if rules != ["", [], "closed", []] else []


class BackendSettings(Settings):
    """Settings of role.backend."""

    controller: UrlSetting = Field(
        default="",
        description="URL of the controller. Default: the one that the environment was enabled with.",
    )
    token: SecretSetting | None = Field(
        default=None, description="Account token; with it the backend enables itself once and keeps what it got."
    )
    environment: str = Field(
        default="", description="Folder of an environment that `zrokd enable` made. Default: one in state_dir."
    )
    description: str = Field(default="", description="How the environment is called when the backend enables itself.")
    ca: str = Field(default="", description="File of certificates that sign the controller's; default: the system's.")
    shares: list[ShareSettings] = Field(default=[], description="What is shared.")
    agent: bool = Field(
        default=False,
        description="Whether the account may have this host share and open more, through the controller. What it was "
        "told is kept over restarts.",
    )
    verify: bool = Field(
        default=True, description="Whether every public URL is asked once after binding, to see that requests arrive."
    )
    verify_timeout: DurationS = Field(
        default=5.0, description="How long a public URL may take to answer before a warning is given."
    )
    max_streams: int = Field(default=1000, ge=1, description="How many visitors a share serves at once; others wait.")
    release_on_exit: bool = Field(
        default=False, description="Whether shares end at the controller when the backend ends. Reserved names stay."
    )

    @rule
    def _known(self) -> Iterator[Mistake]:
        if not self.environment and self.token is None:
            yield Mistake("give `environment` (a folder that `zrokd enable` made) or `token` (of an account)")
        if self.token is not None and not self.controller:
            yield Mistake("`token` needs `controller`: the URL of the controller that knows the account", ("token",))

    @rule
    def _shares_differ(self) -> Iterator[Mistake]:
        shares = list(enumerate(self.shares))
        names = ((("shares", index, "name"), (each.namespace, each.name)) for index, each in shares if each.name)
        for path, first in repeated(names):
            yield Mistake("another share has this name", path, first=first)
        tokens = ((("shares", index, "token"), each.token) for index, each in shares if each.token)
        for path, first in repeated(tokens):
            yield Mistake("another share has this token", path, first=first)


def keyed(shares: list[ShareSettings]) -> dict[str, ShareSettings]:
    """The shares by their keys. Equal ones without name and token are told apart by their order."""
    found: dict[str, ShareSettings] = {}
    for share in shares:
        key = share.key
        number = 2
        while key in found:
            key, number = f"{share.key}#{number}", number + 1
        found[key] = share
    return found
