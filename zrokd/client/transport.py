"""One HTTP call to the controller's API: bounded in time and size, its failures told in our own errors.

Works with and without gevent: under the monkey patch waiting switches greenlets, otherwise it blocks.
"""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Mapping
from http.client import BadStatusLine
from typing import Any
from urllib.parse import urlencode

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, LocationValueError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as CallTimeout

from zrokd.errors import (
    Conflict,
    Denied,
    Invalid,
    LimitReached,
    Misused,
    NotEnough,
    NotFound,
    Unavailable,
    ZrokdError,
)
from zrokd.model.units import Secret
from zrokd.net.calls import Calls, innermost, reason_of

MEDIA_TYPE = "application/zrok.v1+json"
MAX_ANSWER_BYTES = 64 << 20  # all names of a large site are some ten MiB
_CONNECT_S = 5.0
_CHUNK = 1 << 16
_TOKEN = re.compile(r"[\x20-\x7e]*")  # what may stand in a field
# What zrok's framework says for any 401: true, and of no help. Source: zrok REST API v2
_WORDLESS = frozenset(["invalid api key", "unauthenticated for invalid credentials"])
_NO_TLS = frozenset(["WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"])
_NO_FILE = frozenset(["NO_CERTIFICATE_OR_CRL_FOUND", "NO_START_LINE", "BAD_BASE64_DECODE"])
_STRANGE = frozenset([404, 405, 501])  # with a page for people: what a web server says that is no controller
_FAULTS: dict[int, type[ZrokdError]] = {
    401: Denied,
    403: NotEnough,
    404: NotFound,
    409: Conflict,
    429: LimitReached,
}


class Transport:
    """Calls to one controller. Several greenlets or threads may call at once."""

    def __init__(self, url: str, token: Secret, *, timeout_s: float, verify: bool | str) -> None:
        if not url.startswith(("http://", "https://")):
            raise Misused(f"{url!r} is not the URL of a controller; write it like https://api.example.com")
        if not _TOKEN.fullmatch(token.reveal()):
            raise Misused("this is no token: it has characters that none has")
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._verify = verify
        self._spoke = False  # whether it ever began to answer
        self._calls = Calls(verify=verify)
        self._headers = {"Accept": MEDIA_TYPE, "Accept-Encoding": "identity"}
        if token:
            self._headers["x-token"] = token.reveal()

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str | int] | None = None,
        wait_s: float = 0.0,
    ) -> Any:
        """The decoded JSON answer, None when it is empty. `wait_s`: how long the controller may think about it.

        :raises Denied, NotFound, Conflict, Invalid, LimitReached: the controller says no; mostly in its own words.
        :raises Unavailable: no answer, or none that makes sense.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, **({} if data is None else {"Content-Type": MEDIA_TYPE})}
        place, read_s = f"{self.url}/api/v2{path}{f'?{urlencode(query)}' if query else ''}", self._timeout_s + wait_s
        connect_s = min(_CONNECT_S, self._timeout_s)
        try:
            with self._calls.open(method, place, headers, data, connect_s=connect_s, read_s=read_s) as response:
                return self._answer(response, self._read(response, time.monotonic() + read_s))
        except LocationValueError as error:
            raise Misused(f"{self.url!r} is not the URL of a controller: {error}") from error
        except (SSLError, ssl.SSLError) as error:
            raise self._tls_trouble(innermost(error)) from error
        except HTTPError as error:
            raise Unavailable(f"the controller at {self.url} does not answer {self._silence(error)}") from error
        except OSError as error:  # there is no such file
            raise Misused(f"the certificates in {self._verify} cannot be used: {error}") from error

    def _silence(self, error: HTTPError) -> str:
        # To urllib3 any connection that is not to be had is one that was not in time.
        if isinstance(error, CallTimeout) and not isinstance(error, NewConnectionError):
            return "in time; is it reachable?"
        return f"({reason_of(error)}); {self._doubt(error)}"

    def _doubt(self, error: BaseException) -> str:
        """Who closes before its first answer, or garbles that, may be no web server: one with TLS does so, too."""
        odd = isinstance(innermost(error), ConnectionResetError | BadStatusLine)
        return (
            "does it speak http there?"
            if odd and not self._spoke and self.url.startswith("http:")
            else "is it running?"
        )

    def _tls_trouble(self, error: BaseException) -> ZrokdError:
        if isinstance(error, ssl.SSLCertVerificationError):
            whose = f"those in {self._verify}" if isinstance(self._verify, str) else "those of this system"
            return Unavailable(
                f"the certificate of the controller at {self.url} is not trusted:"
                f" {error.verify_message.rstrip('.').lower()}; we trust {whose}, and others in ZROKD_CA or `ca`"
            )
        reason = getattr(error, "reason", None) or str(error)
        if reason in _NO_TLS:
            return Unavailable(f"{self.url} does not speak TLS; write http://{self.url.removeprefix('https://')}")
        words = reason.replace("_", " ").lower()
        if reason in _NO_FILE:
            return Misused(f"the certificates in {self._verify} cannot be used: {words}")
        return Unavailable(f"the controller at {self.url} and we agree on no TLS ({words}); is it the port of its API?")

    def close(self) -> None:
        """Give the connections back. Idempotent."""
        self._calls.close()

    def _read(self, response: BaseHTTPResponse, until: float) -> bytes:
        self._spoke, data = True, bytearray()
        try:
            while chunk := response.read1(_CHUNK):  # what there is: who sends a byte now and then is seen, too
                data += chunk
                if len(data) > MAX_ANSWER_BYTES:
                    raise Unavailable(
                        f"the controller at {self.url} answers with more than {MAX_ANSWER_BYTES >> 20} MiB"
                    )
                if time.monotonic() > until:
                    raise Unavailable(f"the controller at {self.url} takes too long to answer")
        except HTTPError as error:
            what = f"the controller at {self.url} fell silent in the middle of an answer ({reason_of(error)})"
            raise Unavailable(f"{what}; is it running?") from error
        return bytes(data)

    def _answer(self, response: BaseHTTPResponse, data: bytes) -> Any:
        status = response.status
        if status in _STRANGE and response.headers.get("Content-Type", "").startswith("text/html"):
            raise Unavailable(self._stranger())
        if 200 <= status < 300:
            return self._decode(data)
        if 300 <= status < 400:
            place = response.headers.get("Location", "elsewhere")
            raise Invalid(f"{self.url} is not the controller: it sends us to {place}; give the controller's own URL")
        said = _said(data)
        if status >= 500:
            raise Unavailable(
                f"the controller at {self.url} cannot do it now ({status}{f': {said}' if said else ''})",
                _retry_after_s(response),
            )
        if said in _WORDLESS:
            said = ""
        raise _FAULTS.get(status, Invalid)(said or self._advice(status))

    def _decode(self, data: bytes) -> Any:
        if not data:
            return None
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise Unavailable(self._stranger()) from error

    def _stranger(self) -> str:
        return (
            f"{self.url} is not a zrokd controller; it may be a web server, or the port of a frontend, where visitors"
            " come: give the URL of the controller's API"
        )

    def _advice(self, status: int) -> str:
        match status:
            case 401 | 403:
                return (
                    f"the controller at {self.url} does not accept this token, or it is not enough for this;"
                    " is it the right one, or was it revoked?"
                )
            case 404:
                return f"the controller at {self.url} knows no such thing, or it is not yours"
            case 409:
                return f"the controller at {self.url} has this already, or it is in use"
        return f"the controller at {self.url} does not take this request ({status})"


def _said(data: bytes) -> str:
    """The controller's own words: a bare JSON string, or the `message` of an object. Source: zrok errorMessage."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    text = document.get("message") if isinstance(document, dict) else document
    return " ".join(text.split())[:500] if isinstance(text, str) else ""


def _retry_after_s(response: BaseHTTPResponse) -> float:
    text = response.headers.get("Retry-After", "")
    return float(min(int(text), 300)) if text.isascii() and text.isdigit() else 2.0
