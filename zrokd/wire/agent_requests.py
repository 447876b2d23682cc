"""What the server reads of those who talk to an agent through it. Source: zrok's REST API v2."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OneAgent:
    """POST /agent/enroll, /agent/unenroll, /agent/ping, /agent/status."""

    env_z_id: str


@dataclass(frozen=True, slots=True)
class RemoteShare:
    """POST /agent/share."""

    env_z_id: str
    share_mode: str = ""
    token: str = ""
    target: str = ""
    basic_auth: tuple[str, ...] = ()
    private_share_token: str = ""
    backend_mode: str = ""
    insecure: bool = False
    oauth_provider: str = ""
    oauth_email_domains: tuple[str, ...] = ()
    oauth_refresh_interval: str = ""
    open: bool = False
    access_grants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteUnshare:
    """POST /agent/unshare."""

    env_z_id: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class RemoteAccess:
    """POST /agent/access."""

    env_z_id: str
    token: str = ""
    bind_address: str = ""
    auto_mode: bool = False
    auto_address: str = ""
    auto_start_port: int = 0
    auto_end_port: int = 0
    response_headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteUnaccess:
    """POST /agent/unaccess."""

    env_z_id: str
    frontend_token: str = ""


@dataclass(frozen=True, slots=True)
class RemoteHealthCheck:
    """POST /agent/share/http-healthcheck."""

    env_z_id: str
    share_token: str = ""
    http_verb: str = ""
    endpoint: str = ""
    expected_http_response: float = 0.0
    timeout_ms: float = 0.0
