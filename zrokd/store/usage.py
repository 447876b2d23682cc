"""Usage samples."""

from __future__ import annotations

from collections.abc import Sequence

from zrokd.model.limits import UsageSample
from zrokd.store import shares, tables


def add(samples: Sequence[UsageSample]) -> int:
    """Keep those of shares that we know. How many."""
    kept = 0
    for sample in samples:
        share = shares.by_token(sample.share_token, leaving=True)
        if share:
            kept += 1
            tables.UsageSample.create(
                account=share.account_id,
                env_z_id=share.env_z_id,
                share_token=share.token,
                rx_bytes=sample.rx_bytes,
                tx_bytes=sample.tx_bytes,
                at_ms=sample.at_ms,
            )
    return kept


def of_share(share_token: str, since_ms: int = 0) -> tuple[UsageSample, ...]:
    """What was counted for a share, oldest first."""
    known = (tables.UsageSample.share_token == share_token) & (tables.UsageSample.at_ms >= since_ms)
    return tuple(
        UsageSample(share_token=row.share_token, rx_bytes=row.rx_bytes, tx_bytes=row.tx_bytes, at_ms=row.at_ms)
        for row in tables.UsageSample.select().where(known).order_by(tables.UsageSample.at_ms, tables.UsageSample.id)
    )
