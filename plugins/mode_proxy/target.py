"""Where requests go, as people write it: http://host:port/base, https://host, a bare port, unix:/path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from zrokd.errors import MessageError
from zrokd.model.units import Address, is_host, parse_address

# A step up, in every spelling that some server takes for one: `..;` and backslashes included.
_STEP_UP = re.compile(rb"(?:[/\\]|%2f|%5c)(?:\.|%2e){2}(?:[/\\;]|%2f|%5c|%3b|$)", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A web server."""

    text: str
    address: Address
    tls_name: str = ""  # host name to verify; empty: no TLS
    host: bytes = b""  # for the Host field, should it be the target's
    base: bytes = b""  # goes before every path; no slash at its end

    def __str__(self) -> str:
        return self.text

    def path(self, target: bytes) -> bytes:
        """The request target to send for the one that came. :raises MessageError: 400: it leads out of the base."""
        if self.base and _STEP_UP.search(target.partition(b"?")[0]):
            raise MessageError(400, "the path leads out of what is shared")
        return self.base + target if target.startswith(b"/") else target


def parse_target(text: str | int) -> Target:
    """The target in `text`. :raises ValueError: with a sentence fit for the operator."""
    text = str(text)
    if "://" not in text:
        address = parse_address(text)
        return Target(text=text, address=address, host=b"localhost" if address.path else str(address).encode())
    return _parse_url(text)


def _parse_url(text: str) -> Target:
    url = urlsplit(text)
    if url.scheme not in _PORTS or not is_host(url.hostname or ""):
        raise ValueError(f"{text!r} is not a web server; write it like http://127.0.0.1:3000, 3000 or unix:/run/x.sock")
    if url.query or url.fragment or url.username is not None:
        raise ValueError(f"{text!r}: a target has no user, no query and no fragment")
    if not text.isascii() or any(character <= " " for character in text):
        raise ValueError(f"{text!r}: write special characters in a target percent-encoded")
    host = str(url.hostname)
    return Target(
        text=text,
        address=Address(host=host, port=_port(url) or _PORTS[url.scheme]),
        tls_name=host if url.scheme == "https" else "",
        host=url.netloc.encode(),
        base=url.path.rstrip("/").encode(),
    )


def _port(url: SplitResult) -> int | None:
    try:
        return url.port
    except ValueError as error:
        raise ValueError(f"{url.geturl()!r}: a port is a number up to 65535") from error


def _target(value: object) -> Target:
    if isinstance(value, Target):
        return value
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError("write a target like http://127.0.0.1:3000, 3000 or unix:/run/x.sock")
    return parse_target(value)


TargetSetting = Annotated[
    Target,
    BeforeValidator(_target),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["http://127.0.0.1:3000", 3000, "unix:/run/app.sock"]}),
]
