"""Tokens at rest."""

from __future__ import annotations

import hashlib


def digest(token: str) -> str:
    """SHA-256 of a token, in hex. Tokens are random, so no salt and no slow hash is needed to keep them."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
