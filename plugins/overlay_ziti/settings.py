"""The keys of overlay.ziti."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema

from zrokd.contracts import AddressSetting, DurationS, Mistake, SecretSetting, Settings, SizeBytes, rule
from zrokd.model.units import Address

from .machinery import reached_at


def _urls(value: object) -> Any:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(isinstance(url, str) for url in found):
        raise ValueError("write a URL like https://ziti.example.com:1280, or a list of them")
    for url in found:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.username:
            raise ValueError(f"{url!r} is not the URL of a controller; write it like https://ziti.example.com:1280")
    return tuple(url.rstrip("/") for url in found)


Urls = Annotated[
    tuple[str, ...],
    BeforeValidator(_urls),
    WithJsonSchema({"type": ["string", "array"], "examples": ["https://ziti.example.com:1280"]}),
]


class AdminSettings(Settings):
    """Settings of overlay.ziti, `admin`: who we are to the network's management API. The zrokd controller needs it."""

    username: str = Field(default="", description="An administrator of the network.")
    password: SecretSetting | None = Field(default=None, description="Its password.")
    cert: str = Field(default="", description="Instead of both: file with a client certificate (PEM).")
    key: str = Field(default="", description="File with its private key (PEM).")
    bootstrap: bool = Field(
        default=True,
        description="Make at the start what `zrokd admin bootstrap` makes, where it is missing; otherwise only check.",
    )

    @rule
    def _one_way_in(self) -> Iterator[Mistake]:
        by_password = bool(self.username) and self.password is not None
        by_cert = bool(self.cert) and bool(self.key)
        if (
            by_password == by_cert
            or bool(self.username) != (self.password is not None)
            or bool(self.cert) != bool(self.key)
        ):
            yield Mistake("write username and password, or cert and key")


class EdgeSettings(Settings):
    """Settings of overlay.ziti, `edge`: how we use the network's routers and its client API."""

    connect_timeout: DurationS = Field(default=5.0, gt=0, description="How long connecting to a router may take.")
    answer_timeout: DurationS = Field(
        default=1.8,
        gt=0,
        description="How long the network may take to answer a dial, once we are connected to it and those who dialled"
        " before are answered.",
    )
    request_timeout: DurationS = Field(
        default=8.0, gt=0, description="How long one controller may take to answer one request."
    )
    check_every: DurationS = Field(
        default=8.0, ge=0.1, description="How often the controller is asked whether it answers and still knows us."
    )
    probe_every: DurationS = Field(
        default=5.0, ge=0.1, description="How often what is shared here is dialled by us, while nobody else dials it."
    )
    probes_per_second: int = Field(
        default=250, ge=1, description="Such dials at most, by one host; fewer while the network answers them slowly."
    )
    ping_every: DurationS = Field(
        default=2.0, ge=0.1, description="A router of which nothing was heard for this long is asked whether it lives."
    )
    ping_timeout: DurationS = Field(
        default=2.5, gt=0, description="A router that does not answer a ping this long is taken for lost."
    )
    streams_per_channel: int = Field(
        default=24, ge=1, description="Busy streams on one channel before another is opened."
    )
    channels_per_router: int = Field(default=8, ge=1, description="Channels to one router, at most.")
    receive_cap: SizeBytes = Field(
        default=256 * 1024, ge=64 * 1024, description="What a stream holds for a reader that is slow."
    )
    foreign_cap: SizeBytes = Field(
        default=2 << 20,
        ge=256 * 1024,
        description="The same, where the other end has no flow control of a stream; 3 MiB more are on their way then.",
    )
    stall_limit: DurationS = Field(
        default=10.0,
        gt=0,
        description="How long such a stream, once full, may hold up the others of its host; it is broken off before.",
    )
    cost: int = Field(default=0, ge=0, le=65535, description="Cost of what we bind; visitors go to the cheapest.")
    precedence: str = Field(
        default="default", pattern="default|required|failed", description="Precedence of what we bind."
    )


class ManagedSettings(Settings):
    """Settings of overlay.ziti, `managed`: a network of our own."""

    binary: str = Field(default="ziti", description="The `ziti` program: a path, or a name found on PATH.")
    controller: AddressSetting = Field(
        default=Address("127.0.0.1", 1280), description="Where the network's controller listens."
    )
    router: AddressSetting = Field(
        default=Address("127.0.0.1", 3022), description="Where the network's edge router listens."
    )
    names: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="Host names and addresses under which others reach both; they are told the first, and all stand in"
        " the certificates. Left out: the addresses they listen on.",
    )
    network: str = Field(
        default="zrokd", pattern="[a-z0-9][a-z0-9.-]{0,39}", description="What the network and its router are called."
    )
    start_timeout: DurationS = Field(default=60.0, description="How long each may take until it can work.")
    stop_timeout: DurationS = Field(default=10.0, description="How long each may take to end; then it is killed.")
    restart_pause: DurationS = Field(default=0.5, description="Pause before one that ended is started again; doubles.")
    longest_pause: DurationS = Field(default=30.0, description="The longest such pause.")
    check_every: DurationS = Field(default=5.0, gt=0, description="How often each is looked at, whether it answers.")
    hang_limit: DurationS = Field(
        default=30.0, gt=0, description="How long one may run without answering; then it is killed and started again."
    )

    @rule
    def _can_be_reached(self) -> Iterator[Mistake]:
        for key in ("controller", "router"):
            address: Address = getattr(self, key)
            if address.path or not address.port:
                yield Mistake("write a host and a port that stays the same, like 127.0.0.1:1280", (key,))
            elif reached_at(address.host) != address.host and not self.names:
                yield Mistake(f"others cannot reach {address}; say in `names` under which name they reach it", (key,))
        if self.controller == self.router:
            yield Mistake("controller and router need a port each", ("router",))


class ZitiSettings(Settings):
    """Settings of overlay.ziti."""

    controller: Urls = Field(
        default=(),
        description="URL of the network's controller, or a list of them. Only `admin` needs it: all others find it"
        " in their identity.",
    )
    ca: str = Field(
        default="",
        description="File with the authorities (PEM) of that controller. Left out: the machine's own are trusted.",
    )
    admin: AdminSettings | None = Field(default=None, description="Who we are to the network's management API.")
    edge: EdgeSettings = Field(default_factory=EdgeSettings, description="How routers are used.")
    managed: ManagedSettings | None = Field(
        default=None, description="Run a network of our own. It brings controller, ca and admin along."
    )

    @rule
    def _fits_together(self) -> Iterator[Mistake]:
        for key in ("controller", "ca", "admin") if self.managed is not None else ():
            if getattr(self, key):
                yield Mistake(f"`managed` brings its own {key} along; take this away, or `managed`", (key,))
        if self.admin is not None and not self.controller and self.managed is None:
            yield Mistake("say in `controller` which one `admin` is an administrator of", ("admin",))
