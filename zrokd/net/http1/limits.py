"""Every limit of an HTTP connection, with its name and default in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Times in seconds, sizes in bytes. Reaching one ends the exchange, and mostly the connection."""

    # what a client may send
    request_line_bytes: int = 8 * 1024  # more: 414
    head_bytes: int = 32 * 1024  # more: 431
    fields: int = 100  # more: 431
    head_s: float = 10.0  # from the first byte of a head to its last
    head_crowded_s: float = 5.0  # the same, for connections that come while there are many
    body_bytes: int | None = None  # more: 413; None: no limit
    body_idle_s: float = 30.0  # between two pieces of a request body
    body_rate_bytes_s: int = 256  # the least average while we wait for a request body ...
    body_grace_s: float = 10.0  # ... asked for after so much waiting
    keep_alive_s: float = 75.0  # between two requests
    keep_alive_requests: int = 1000  # on one connection
    pipelined: int = 8  # sent ahead and answered in a row; then others get their turn

    # what an upstream may send
    response_head_bytes: int = 64 * 1024
    response_fields: int = 200
    first_byte_s: float = 60.0  # from the end of the request to the first byte of the answer
    response_idle_s: float = 300.0  # between two pieces of an answer
    stream_idle_s: float = 3600.0  # the same for event streams and websockets
    interim_answers: int = 16  # 1xx before the final answer

    # both
    write_stall_s: float = 60.0  # a peer that takes no byte for so long is gone
    chunk_extension_bytes: int = 1024  # in one chunk
    chunk_extensions_bytes: int = 16 * 1024  # in one body
    trailer_bytes: int = 16 * 1024
    linger_bytes: int = 1024 * 1024  # read and thrown away after an early answer ...
    linger_s: float = 5.0  # ... for so long at most
