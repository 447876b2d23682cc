"""What both ends of a fresh stream agreed on."""

from __future__ import annotations

from dataclasses import dataclass

from .crypto import Keys


@dataclass(frozen=True, slots=True)
class Opened:
    """A circuit, our end of it, and how it is used."""

    connection: int
    circuit: bytes
    hosting: bool
    flow: bool
    keys: Keys | None
    host: str = ""  # the host's key for all streams of one bind, shortened
