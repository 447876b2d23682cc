"""What a ping is answered with: the proof that it came to the share that asked, and to no other server."""

from __future__ import annotations

import hashlib
import hmac

PONG = b"Zrokd-Pong"


def pong(share_token: str, target: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The fields of a mode's 204 to a ping for `target`, whose query is what the backend made up for this one."""
    digest = hmac.new(share_token.encode(), target.partition(b"?")[2], hashlib.sha256).hexdigest()
    return ((PONG, digest[:32].encode()),)
