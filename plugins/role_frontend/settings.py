"""The YAML keys of a frontend."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from zrokd.contracts import (
    AddressSetting,
    DurationS,
    Mistake,
    NetworkSetting,
    SecretSetting,
    Settings,
    SizeBytes,
    UrlSetting,
    repeated,
    rule,
    slot_use,
)
from zrokd.model.units import Secret
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.threshold import ProxyProtocolSettings
from zrokd.net.tls.settings import TlsSettings
from zrokd.proxy.upstream import PoolLimits

_KIB, _MIB = 1024, 1024 * 1024


class LimitSettings(Settings):
    """What visitors and shares may take, and for how long."""

    max_connections: int = Field(
        default=10_000,
        gt=0,
        description="Connections at once; more wait to be accepted. From 80 % on, the oldest that are idle or whose "
        "head takes over a second make room.",
    )
    per_address: int = Field(
        default=100,
        gt=0,
        description="Connections of one IPv4 address or IPv6 /64; loopback and trusted_proxies are not counted.",
    )
    request_line: SizeBytes = Field(default=8 * _KIB, description="Longest request line; beyond: 414.")
    head_size: SizeBytes = Field(default=32 * _KIB, description="Largest head of a request; beyond: 431.")
    head_fields: int = Field(default=100, gt=0, description="Most fields in the head of a request; beyond: 431.")
    head_time: DurationS = Field(default=10.0, description="From the first byte of a request's head to its last.")
    head_time_crowded: DurationS = Field(
        default=5.0, description="The same for connections that come while 80 % of max_connections are there."
    )
    body_size: SizeBytes | None = Field(default=None, description="Largest body of a request; beyond: 413.")
    body_idle: DurationS = Field(default=30.0, description="Longest pause in a request's body.")
    body_rate: SizeBytes = Field(default=256, description="Least bytes a second, on average, of a request's body.")
    body_grace: DurationS = Field(default=10.0, description="Waiting for a body before body_rate is asked for.")
    keep_alive: DurationS = Field(default=75.0, description="Between two requests of one connection.")
    keep_alive_requests: int = Field(default=1000, gt=0, description="Requests on one connection.")
    pipelined: int = Field(
        default=8, gt=0, description="Requests sent ahead on one connection that are answered in a row; then others."
    )
    response_head: SizeBytes = Field(default=64 * _KIB, description="Largest head of an answer; beyond: 502.")
    response_fields: int = Field(default=200, gt=0, description="Most fields in the head of an answer; beyond: 502.")
    first_byte: DurationS = Field(default=60.0, description="From the end of a request to its answer; beyond: 504.")
    response_idle: DurationS = Field(default=300.0, description="Longest pause in an answer.")
    stream_idle: DurationS = Field(default=3600.0, description="The same in event streams, websockets and TCP shares.")
    interim_answers: int = Field(default=16, ge=0, description="1xx answers before the final one; beyond: 502.")
    write_stall: DurationS = Field(default=60.0, description="How long a peer may take no byte.")
    chunk_extension: SizeBytes = Field(default=_KIB, description="Largest extension of one chunk.")
    chunk_extensions: SizeBytes = Field(default=16 * _KIB, description="All chunk extensions of one body.")
    trailers: SizeBytes = Field(default=16 * _KIB, description="Largest trailers of a body.")
    linger_size: SizeBytes = Field(default=_MIB, description="Read and thrown away after an early answer.")
    linger_time: DurationS = Field(default=5.0, description="How long, at most, that goes on.")
    share_requests: int = Field(default=128, gt=0, description="Requests to one share at once; beyond: 503.")
    terminator_failures: int = Field(
        default=3,
        gt=0,
        description="Failed dials or requests in a row after which one of those who serve a share is left out.",
    )
    terminator_rest: DurationS = Field(
        default=10.0, description="Then, before one request tries whether it answers again."
    )
    pool_idle: DurationS = Field(default=60.0, description="How long an unused overlay stream is kept.")
    pool_each: int = Field(default=32, ge=0, description="Unused overlay streams kept for one share.")
    pool_total: int = Field(default=1000, ge=0, description="Unused overlay streams kept for all shares.")

    def http(self) -> HttpLimits:
        """The limits of HTTP connections, to visitors and to shares."""
        return HttpLimits(
            request_line_bytes=self.request_line,
            head_bytes=self.head_size,
            fields=self.head_fields,
            head_s=self.head_time,
            head_crowded_s=self.head_time_crowded,
            body_bytes=self.body_size,
            body_idle_s=self.body_idle,
            body_rate_bytes_s=self.body_rate,
            body_grace_s=self.body_grace,
            keep_alive_s=self.keep_alive,
            keep_alive_requests=self.keep_alive_requests,
            pipelined=self.pipelined,
            response_head_bytes=self.response_head,
            response_fields=self.response_fields,
            first_byte_s=self.first_byte,
            response_idle_s=self.response_idle,
            stream_idle_s=self.stream_idle,
            interim_answers=self.interim_answers,
            write_stall_s=self.write_stall,
            chunk_extension_bytes=self.chunk_extension,
            chunk_extensions_bytes=self.chunk_extensions,
            trailer_bytes=self.trailers,
            linger_bytes=self.linger_size,
            linger_s=self.linger_time,
        )

    def pool(self) -> PoolLimits:
        """The limits of streams to shares."""
        return PoolLimits(
            idle_s=self.pool_idle,
            idle_each=self.pool_each,
            idle_total=self.pool_total,
            busy_each=self.share_requests,
            failures=self.terminator_failures,
            rest_s=self.terminator_rest,
        )


class AccessSettings(Settings):
    """A private listener onto a share that this host's environment may use."""

    share: str = Field(min_length=1, description="Token of the private share.")
    listen: AddressSetting = Field(description="Where to listen for it.")
    description: str = Field(default="", description="What the owner of the share reads about this access.")
    http: bool | None = Field(
        default=None, description="Whether the share speaks HTTP; left out: as its mode says (tcp and the like do not)."
    )
    required: bool = Field(
        default=True,
        description="Whether the daemon refuses to start when the controller refuses this access, and ends when a "
        "controller that was away at the start refuses it later.",
    )


class FrontendSettings(Settings):
    """Settings of role.frontend."""

    listen: AddressSetting | None = Field(
        default=None, description="Where visitors of public shares come in; left out: only `accesses` are served."
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=32,
        description="Processes that serve `listen`, each on a core of its own. `limits` count in each of them; "
        "`accesses` stay in the first.",
    )
    tls: TlsSettings | None = Field(default=None, description="TLS on `listen`; left out: plain HTTP.")
    proxy_protocol: ProxyProtocolSettings | None = Field(
        default=None, description="Balancers in front of `listen` that tell who connects; left out: visitors connect."
    )
    controller: UrlSetting = Field(default="", description="URL of the controller; needed with `listen`.")
    token: SecretSetting = Field(
        default=Secret(""), description="Token of this frontend, as the controller knows it; needed with `listen`."
    )
    ca: str = Field(default="", description="File of certificates that sign the controller's; default: the system's.")
    gates: dict[str, slot_use("gate")] = Field(  # type: ignore[valid-type]
        default={"basic": "basic"},
        validate_default=True,
        description="Gates that shares may choose, by the name they choose them by.",
    )
    filters: list[slot_use("filter")] = Field(  # type: ignore[valid-type]
        default=["forwarded"],
        validate_default=True,
        description="Filters of every head: requests in this order, answers in reverse.",
    )
    trusted_proxies: list[NetworkSetting] = Field(
        default=[],
        description="Reverse proxies in front of this frontend: per_address leaves their connections out, and in TLS "
        "they may lead to any name.",
    )
    limits: LimitSettings = Field(default=LimitSettings(), description="What visitors and shares may take.")
    dial_timeout: DurationS = Field(default=5.0, description="How long a share may take to answer a dial; beyond: 503.")
    environment: str = Field(
        default="",
        description="Folder of the enabled environment that `accesses` use; left out: $ZROKD_HOME, or ~/.zrokd.",
    )
    accesses: list[AccessSettings] = Field(default=[], description="Private accesses to serve.")

    @rule
    def _complete(self) -> Iterator[Mistake]:
        if self.listen is None and not self.accesses:
            yield Mistake("give `listen` to serve public shares, or `accesses` to serve private ones")
        if self.listen is not None and not (self.controller and self.token):
            sentence = "`listen` needs the `controller` and the `token` that this frontend is known by there"
            yield Mistake(sentence, ("listen",))

    @rule
    def _accesses_differ(self) -> Iterator[Mistake]:
        shares = ((("accesses", index, "share"), access.share) for index, access in enumerate(self.accesses))
        for path, first in repeated(shares):
            yield Mistake("this share stands twice among the accesses", path, first=first)
