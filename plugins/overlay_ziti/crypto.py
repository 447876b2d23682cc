"""End-to-end encryption of a stream: libsodium's key exchange, then one secretstream each way.

Source: openziti/secretstream `kx/`, `stream.go`; libsodium's documentation of crypto_kx and crypto_secretstream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nacl import bindings
from nacl.exceptions import CryptoError as SodiumError

from zrokd.errors import StreamError

HEADER_BYTES = bindings.crypto_secretstream_xchacha20poly1305_HEADERBYTES
OVERHEAD_BYTES = bindings.crypto_secretstream_xchacha20poly1305_ABYTES
METHOD = b"\x00"  # this method, in a message's header
_KEY_BYTES = bindings.crypto_kx_PUBLIC_KEY_BYTES


class CryptoError(StreamError):
    """What came cannot be what the peer sealed."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one stream: one to open what comes, one to seal what goes."""

    rx: bytes
    tx: bytes


class KeyPair:
    """What one end of a stream contributes. A host has one for all streams of a bind."""

    __slots__ = ("_secret", "public")

    def __init__(self) -> None:
        self.public, self._secret = bindings.crypto_kx_keypair()

    def dialler_keys(self, peer: bytes) -> Keys:
        """As the one who dialled. :raises CryptoError: `peer` is no public key."""
        return self._keys(bindings.crypto_kx_client_session_keys, peer)

    def host_keys(self, peer: bytes) -> Keys:
        """As the one who was dialled. :raises CryptoError: `peer` is no public key."""
        return self._keys(bindings.crypto_kx_server_session_keys, peer)

    def _keys(self, exchange: Callable[..., tuple[bytes, bytes]], peer: bytes) -> Keys:
        if len(peer) != _KEY_BYTES:
            raise CryptoError("the peer's public key has the wrong size")
        try:
            rx, tx = exchange(self.public, self._secret, peer)
        except (SodiumError, ValueError) as error:
            raise CryptoError("the peer's public key is none") from error
        return Keys(rx, tx)


class Sealer:
    """Seals what goes. `header` goes first, as a message of its own."""

    __slots__ = ("_state", "header")

    def __init__(self, key: bytes) -> None:
        self._state = bindings.crypto_secretstream_xchacha20poly1305_state()
        self.header: bytes = bindings.crypto_secretstream_xchacha20poly1305_init_push(self._state, key)

    def seal(self, data: bytes) -> bytes:
        """`data`, sealed: 17 bytes longer."""
        return bindings.crypto_secretstream_xchacha20poly1305_push(self._state, data, None, 0)


class Opener:
    """Opens what comes. The first message is the header and opens to nothing."""

    __slots__ = ("_key", "_state")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._state: Any = None

    def open(self, message: bytes) -> bytes:
        """What was sealed. :raises CryptoError: damaged, forged, doubled or out of order."""
        if self._state is None:
            return self._begin(message)
        try:
            return bindings.crypto_secretstream_xchacha20poly1305_pull(self._state, message, None)[0]
        except (SodiumError, ValueError) as error:
            raise CryptoError("what came was not sealed by the peer; the stream is broken") from error

    def _begin(self, message: bytes) -> bytes:
        if len(message) != HEADER_BYTES:
            raise CryptoError("the peer did not begin with the header of a sealed stream")
        self._state = bindings.crypto_secretstream_xchacha20poly1305_state()
        bindings.crypto_secretstream_xchacha20poly1305_init_pull(self._state, message, self._key)
        return b""
