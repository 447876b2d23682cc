"""What daemon and worker say to each other: JSON in one packet each, with a socket beside it where a stream is handed
over."""

from __future__ import annotations

import json
import socket
from typing import Any

MOST_BYTES = 64 * 1024
PROBE = b"zrokd-probe:"  # begins the app data of a dial that only asks whether dials arrive


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def pack(message: dict[str, Any]) -> bytes:
    """As one packet."""
    return json.dumps(message).encode()


def unpack(packet: bytes) -> dict[str, Any]:
    """What one packet says."""
    found: dict[str, Any] = json.loads(packet)
    return found
