"""A share as the overlay is told it."""

from __future__ import annotations

from zrokd.model.share import Share, ShareDraft, ShareMode
from zrokd.service.core import Core
from zrokd.service.saga import off_overlay, on_overlay
from zrokd.store import accesses, shares


def provision_share(core: Core, token: str, share: ShareDraft | Share) -> bool:
    """Make the share's service, and let those dial it who have an access; nobody when it is limited, which is returned.

    Idempotent. :raises OverlayError: not now.
    """
    config: dict[str, object] = {
        "mode": share.mode,
        "gate": share.gating.gate,
        "gate_config": dict(share.gating.config),
    }
    limited = core.store.read(shares.is_limited, token)
    public = share.share_mode == ShareMode.PUBLIC and not limited
    on_overlay(core.overlay.create_share, token, share.env_z_id, public=public, config=config)
    for access in core.store.read(accesses.live_of_share, token):
        if limited:
            off_overlay(core.overlay.delete_access, access.token, token)
        else:
            on_overlay(core.overlay.create_access, access.token, token, access.env_z_id)
    return limited
