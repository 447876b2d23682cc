"""A share as the overlay is told it."""

from __future__ import annotations

from zrokd.model.share import Share, ShareDraft, ShareMode
from zrokd.service.core import Core
from zrokd.service.saga import on_overlay
from zrokd.store import accesses


def provision_share(core: Core, token: str, share: ShareDraft | Share) -> None:
    """Make the share's service, and let those dial it who have an access. Idempotent. :raises OverlayError:"""
    config: dict[str, object] = {
        "mode": share.mode,
        "gate": share.gating.gate,
        "gate_config": dict(share.gating.config),
    }
    public = share.share_mode == ShareMode.PUBLIC
    on_overlay(core.overlay.create_share, token, share.env_z_id, public=public, config=config)
    for access in core.store.read(accesses.live_of_share, token):
        on_overlay(core.overlay.create_access, access.token, token, access.env_z_id)
