"""What the server reads of those who talk to an agent through it. Source: zrok's REST API v2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zrokd.model.agent import (
    AccessPrivateRequest,
    NameSelection,
    ShareHttpHealthcheckRequest,
    SharePrivateRequest,
    SharePublicRequest,
)
from zrokd.model.share import ShareMode
from zrokd.wire.fields import choice, flag, items, text, texts
from zrokd.wire.requests import LIST_OF_SELECTIONS, TEXT, TEXTS, selection_from_wire

_FLAG = {"type": ["boolean", "null"]}


@dataclass(frozen=True, slots=True)
class OneAgent:
    """POST /agent/enroll, /agent/unenroll, /agent/ping, /agent/status."""

    env_z_id: str


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

    def order(self) -> AccessPrivateRequest:
        """What the agent is told."""
        return AccessPrivateRequest(
            token=self.token,
            bind_address=self.bind_address,
            auto_mode=self.auto_mode,
            auto_address=self.auto_address,
            auto_start_port=self.auto_start_port,
            auto_end_port=self.auto_end_port,
            response_headers=self.response_headers,
        )


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

    def order(self) -> ShareHttpHealthcheckRequest:
        """What the agent is told."""
        return ShareHttpHealthcheckRequest(
            token=self.share_token,
            http_verb=self.http_verb,
            endpoint=self.endpoint,
            expected_http_response=int(self.expected_http_response),
            timeout_ms=int(self.timeout_ms),
        )


#: What `remote_share_from_wire` reads, as a JSON schema.
REMOTE_SHARE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["envZId"],
    "properties": {
        "envZId": {"type": "string", "minLength": 1},
        "shareMode": {"type": ["string", "null"], "enum": ["", None, *(mode.value for mode in ShareMode)]},
        **dict.fromkeys(("token", "target", "privateShareToken", "backendMode"), TEXT),
        **dict.fromkeys(("oauthProvider", "oauthRefreshInterval"), TEXT),
        **dict.fromkeys(("basicAuth", "oauthEmailDomains", "accessGrants"), TEXTS),
        **dict.fromkeys(("insecure", "open"), _FLAG),
        "nameSelections": LIST_OF_SELECTIONS,
    },
}


def remote_share_from_wire(document: Mapping[str, Any]) -> tuple[str, SharePublicRequest | SharePrivateRequest]:
    """The environment in the body of POST /agent/share, and what its agent is told.

    :raises Invalid: names the field.
    """
    env_z_id = text(document, "envZId", required=True)
    mode = choice(document, "shareMode", ShareMode, ShareMode.PUBLIC)
    closed, insecure = not flag(document, "open"), flag(document, "insecure")
    target, backend_mode = text(document, "target"), text(document, "backendMode")
    grants, token = texts(document, "accessGrants"), text(document, "privateShareToken") or text(document, "token")
    selections = items(document, "nameSelections", selection_from_wire)
    public = SharePublicRequest(
        target=target,
        basic_auth=texts(document, "basicAuth"),
        name_selections=tuple(NameSelection(namespace_token=one.namespace, name=one.name) for one in selections),
        backend_mode=backend_mode,
        insecure=insecure,
        oauth_provider=text(document, "oauthProvider"),
        oauth_email_domains=texts(document, "oauthEmailDomains"),
        oauth_refresh_interval=text(document, "oauthRefreshInterval"),
        closed=closed,
        access_grants=grants,
    )
    private = SharePrivateRequest(
        target=target,
        private_share_token=token,
        backend_mode=backend_mode,
        insecure=insecure,
        closed=closed,
        access_grants=grants,
    )
    return env_z_id, public if mode is ShareMode.PUBLIC else private
