"""Ask a share's target something by the way that visitors go: through its mode."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
from collections.abc import Callable

from zrokd.contracts import Caller, Mode, Task
from zrokd.errors import Invalid, StreamError
from zrokd.model.agent import ShareHttpHealthcheckRequest, ShareHttpHealthcheckResponse
from zrokd.net.stream import SocketStream

_VERB = re.compile(r"[A-Z]{1,16}")
_DEFAULT_S, _LONGEST_S = 6.0, 20.0  # Source: zrok's `agent share http-healthcheck` for the first


def check_up(
    mode: Mode, asked: ShareHttpHealthcheckRequest, spawn: Callable[..., Task]
) -> ShareHttpHealthcheckResponse:
    """Whether the target answers with the status that is expected (200, when none is said). Switches greenlets.

    :raises Invalid: the share does not speak HTTP, or this cannot be asked.
    """
    verb, path = (asked.http_verb or "GET").upper(), asked.endpoint or "/"
    if not mode.http:
        raise Invalid("the share does not speak HTTP")
    if not _VERB.fullmatch(verb):
        raise Invalid(f"{verb[:20]!r} is no method of HTTP")
    path = path if path.startswith("/") else f"/{path}"
    expected, timeout_s = asked.expected_http_response or 200, asked.timeout_ms / 1000 or _DEFAULT_S
    near, far = socket.socketpair()
    stream = SocketStream(far, "checkup")
    serving = spawn(_serve, mode, stream, name="checkup")
    connection = _Connection(near, min(timeout_s, _LONGEST_S))
    try:
        connection.request(verb, path, headers={"User-Agent": "zrokd"})
        with connection.getresponse() as answer:
            status = answer.status
    except TimeoutError:
        return ShareHttpHealthcheckResponse(error=f"no answer within {min(timeout_s, _LONGEST_S):g} s")
    except http.client.InvalidURL as error:
        raise Invalid(f"{path[:100]!r} is no path") from error
    except (OSError, http.client.HTTPException) as error:
        return ShareHttpHealthcheckResponse(error=f"no answer: {str(error) or type(error).__name__}")
    finally:
        connection.close()
        serving.kill()
        stream.close()
    told = "" if status == expected else f"expected {expected}, got {status}"
    return ShareHttpHealthcheckResponse(healthy=not told, error=told)


def _serve(mode: Mode, stream: SocketStream) -> None:
    with contextlib.suppress(StreamError):  # who asks does not wait for the end
        mode.serve(stream, Caller(identity="checkup"))
    stream.close()


class _Connection(http.client.HTTPConnection):
    """HTTP on a socket that is there."""

    def __init__(self, sock: socket.socket, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        sock.settimeout(timeout_s)
        self.sock = sock
