"""Limits and usage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many of each an account may have. -1 is endless."""

    environments: int = -1
    shares: int = -1
    names: int = -1
    accesses: int = -1  # per share, charged to its owner


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSample:
    """Bytes that went to (`tx`) and came from (`rx`) the visitors of a share since the last sample."""

    share_token: str
    rx_bytes: int
    tx_bytes: int
    at_ms: int  # Unix milliseconds, end of the interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A plugin's no, with the reason the caller is told."""

    reason: str
    plugin: str = ""
