"""What a backend says of a target that fails it, beside the page for the visitor. Source: RFC 9209."""

from __future__ import annotations

from zrokd.model.http import ResponseHead

STATUS = b"Proxy-Status"
UNREACHED = "destination_unavailable"  # the target got nothing of the request
UNANSWERED = "connection_terminated"
LATE = "http_response_timeout"
_OURS = b"zrokd; error="


def tells(fault: str) -> tuple[bytes, bytes]:
    """The field that tells of a fault."""
    return STATUS, _OURS + fault.encode()


def fault_of(answer: ResponseHead) -> str:
    """The fault that a backend of ours tells of; "" when it tells of none."""
    told = answer.get(STATUS) or b""
    return told.removeprefix(_OURS).decode("latin-1") if told.startswith(_OURS) else ""
