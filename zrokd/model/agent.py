"""What an agent can be told, and what it tells: the messages of zrok's agent, by their names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NameSelection:
    """Under which name a public share is offered; empty: a random one."""

    namespace_token: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePublicRequest:
    """Share something with everybody who knows the address."""

    target: str = ""
    basic_auth: tuple[str, ...] = ()
    name_selections: tuple[NameSelection, ...] = ()
    backend_mode: str = ""
    insecure: bool = False
    oauth_provider: str = ""
    oauth_email_domains: tuple[str, ...] = ()
    oauth_refresh_interval: str = ""
    closed: bool = False
    access_grants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePublicResponse:
    """What it is, and where visitors find it: host names."""

    token: str = ""
    frontend_endpoints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePrivateRequest:
    """Share something with holders of an access."""

    target: str = ""
    private_share_token: str = ""
    backend_mode: str = ""
    insecure: bool = False
    closed: bool = False
    access_grants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePrivateResponse:
    """What it is."""

    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseShareRequest:
    """End a share."""

    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseShareResponse:
    """It has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPrivateRequest:
    """Open a private share here: on an address, or on the first free port of a range."""

    token: str = ""
    bind_address: str = ""
    auto_mode: bool = False
    auto_address: str = ""
    auto_start_port: int = 0
    auto_end_port: int = 0
    response_headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPrivateResponse:
    """Which access it is."""

    frontend_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAccessRequest:
    """End an access."""

    frontend_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAccessResponse:
    """It has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareHttpHealthcheckRequest:
    """Ask the target of a share something, from where the agent runs."""

    token: str = ""
    http_verb: str = ""
    endpoint: str = ""
    expected_http_response: int = 0
    timeout_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareHttpHealthcheckResponse:
    """Whether it answered as expected; if not, why."""

    healthy: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    """A moment, since 1970."""

    seconds: int = 0
    nanos: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What keeps a share or an access from working."""

    id: str = ""
    count: int = 0
    last_error: str = ""
    next_retry: Timestamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareDetail:
    """A share that the agent keeps."""

    token: str = ""
    share_mode: str = ""
    backend_mode: str = ""
    frontend_endpoint: tuple[str, ...] = ()
    backend_endpoint: str = ""
    closed: bool = False
    status: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDetail:
    """An access that the agent keeps."""

    frontend_token: str = ""
    token: str = ""
    bind_address: str = ""
    response_headers: tuple[str, ...] = ()
    status: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """Tell what you keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusResponse:
    """Everything that the agent keeps."""

    accesses: tuple[AccessDetail, ...] = ()
    shares: tuple[ShareDetail, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRequest:
    """Tell who you are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionResponse:
    """The agent's version, and where a person on its host finds a page about it ("": nowhere)."""

    v: str = ""
    console_endpoint: str = ""
