"""Names of modes: zrok calls some of them otherwise."""

from __future__ import annotations

_TO_WIRE = {"tcp": "tcpTunnel", "udp": "udpTunnel"}
_FROM_WIRE = {theirs: ours for ours, theirs in _TO_WIRE.items()}


def mode_to_wire(mode: str) -> str:
    """zrok's name of a mode."""
    return _TO_WIRE.get(mode, mode)


def mode_from_wire(mode: str) -> str:
    """Our name of a mode."""
    return _FROM_WIRE.get(mode, mode)
