"""What an agent tells of a backend's shares and accesses."""

from __future__ import annotations

from collections.abc import Mapping

from zrokd.client.access import Access
from zrokd.model.agent import AccessDetail, Failure, ShareDetail, StatusResponse
from zrokd.model.share import ShareMode
from zrokd.wire.modes import mode_to_wire

from .supervisor import State, Supervisor

_ACTIVE, _RETRYING, _FAILED = "active", "retrying", "failed"


def label_of(key: str) -> str:
    """By what a share or access without a token is told and released."""
    return f"err_{key.partition(':')[2]}"


def status_of(shares: Mapping[str, Supervisor], accesses: Mapping[str, Access]) -> StatusResponse:
    """All of them by their keys, those of the host's own configuration too."""
    return StatusResponse(
        shares=tuple(_share(key, one) for key, one in shares.items()),
        accesses=tuple(_access(key, one) for key, one in accesses.items()),
    )


def _share(key: str, supervisor: Supervisor) -> ShareDetail:
    share, offer, trouble = supervisor.share, supervisor.offer, supervisor.trouble
    status = _FAILED if supervisor.state is State.REFUSED else _RETRYING
    return ShareDetail(
        token=offer.token if offer else "",
        share_mode=(ShareMode.PRIVATE if share.private else ShareMode.PUBLIC).value,
        backend_mode=mode_to_wire(share.use.use),
        frontend_endpoint=offer.hosts if offer else (),
        backend_endpoint=str(getattr(share.use.settings, "target", "")),
        closed=share.permission == "closed",
        status=status if trouble else _ACTIVE,
        failure=_failure(key, trouble, supervisor.failed),
    )


def _access(key: str, access: Access) -> AccessDetail:
    trouble = access.health().detail
    return AccessDetail(
        frontend_token=access.token,
        token=access.settings.share,
        bind_address=str(access.address),
        status=_RETRYING if trouble else _ACTIVE,
        failure=_failure(key, trouble, 1),
    )


def _failure(key: str, trouble: str, count: int) -> Failure | None:
    return Failure(id=label_of(key), count=count, last_error=trouble) if trouble else None
