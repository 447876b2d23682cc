"""What the server writes of agents' answers. Source: zrok's REST API v2."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from zrokd.model.agent import (
    AccessDetail,
    Failure,
    ShareDetail,
    ShareHttpHealthcheckResponse,
    SharePrivateResponse,
    SharePublicResponse,
    StatusResponse,
)

_LAST_S = 253_402_300_799  # the end of the year 9999, and of what a date can be


def remote_share_to_wire(answer: SharePublicResponse | SharePrivateResponse) -> dict[str, Any]:
    """The answer of POST /agent/share."""
    endpoints = answer.frontend_endpoints if isinstance(answer, SharePublicResponse) else ()
    return {"token": answer.token, "frontendEndpoints": list(endpoints)}


def health_to_wire(answer: ShareHttpHealthcheckResponse) -> dict[str, Any]:
    """The answer of POST /agent/share/http-healthcheck."""
    return {"healthy": answer.healthy, "error": answer.error}


def agent_status_to_wire(status: StatusResponse) -> dict[str, Any]:
    """The answer of POST /agent/status."""
    return {"shares": [_share(one) for one in status.shares], "accesses": [_access(one) for one in status.accesses]}


def _share(share: ShareDetail) -> dict[str, Any]:
    return {
        "token": share.token,
        "shareMode": share.share_mode,
        "backendMode": share.backend_mode,
        "frontendEndpoints": list(share.frontend_endpoint),
        "backendEndpoint": share.backend_endpoint,
        "open": not share.closed,
        "status": share.status,
        **_failure(share.failure),
    }


def _access(access: AccessDetail) -> dict[str, Any]:
    return {
        "frontendToken": access.frontend_token,
        "token": access.token,
        "bindAddress": access.bind_address,
        "responseHeaders": list(access.response_headers),
        "status": access.status,
        **_failure(access.failure),
    }


def _failure(failure: Failure | None) -> dict[str, Any]:
    if failure is None:
        return {}
    found = {"id": failure.id, "count": failure.count, "lastError": failure.last_error}
    again = failure.next_retry
    if again is not None and 0 < again.seconds <= _LAST_S:
        found["nextRetry"] = datetime.fromtimestamp(again.seconds, UTC).isoformat().replace("+00:00", "Z")
    return {"failure": found}
