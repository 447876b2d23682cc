"""An identity document, as OpenZiti's SDKs write and read it."""

from __future__ import annotations

import json
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zrokd.errors import OverlayError

CLIENT_API = "/edge/client/v1"
_PEM = "-----BEGIN "
_DAMAGED = "the identity document {}; enable this host again"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityFile:
    """What lets its holder into a network. The key is a secret: it is in no `repr`."""

    controllers: tuple[str, ...]  # https://host:port, without the path of the API, in the order they are tried
    cert: str  # PEM, leaf first
    key: str = field(repr=False)  # PEM
    ca: str  # PEM, a bundle
    config_types: tuple[str, ...] = ()
    _contexts: dict[tuple[str, ...], ssl.SSLContext] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, document: str) -> IdentityFile:
        """The identity in a JSON text. Certificates and key may stand in it or in files that it names.

        :raises OverlayError: the text is damaged, or a file cannot be read.
        """
        found = _object(document)
        parts = found.get("id")
        if not isinstance(parts, dict):
            raise OverlayError(_DAMAGED.format("holds no certificate"))
        urls = found.get("ztAPIs") or [found.get("ztAPI")]
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise OverlayError(_DAMAGED.format("names no controller"))
        types = found.get("configTypes") or []
        if not isinstance(types, list):
            raise OverlayError(_DAMAGED.format("has configTypes that are no list"))
        first = found.get("ztAPI")
        ordered = [first, *urls] if isinstance(first, str) else urls
        return cls(
            controllers=tuple(dict.fromkeys(_controller(url) for url in ordered)),
            cert=_pem(parts, "cert"),
            key=_pem(parts, "key"),
            ca=_pem(parts, "ca"),
            config_types=tuple(str(each) for each in types),
        )

    def to_json(self) -> str:
        """The document that `parse` and the SDKs of OpenZiti read."""
        urls = [f"{url}{CLIENT_API}" for url in self.controllers]
        document = {
            "ztAPI": urls[0],
            "ztAPIs": urls,
            "configTypes": list(self.config_types) or None,
            "id": {"key": f"pem:{self.key}", "cert": f"pem:{self.cert}", "ca": f"pem:{self.ca}"},
            "enableHa": False,
        }
        return json.dumps(document)

    def ssl_context(self, alpn: list[str] | None = None) -> ssl.SSLContext:
        """TLS as this identity, trusting its network alone. One context an `alpn`, made at the first call.

        :raises OverlayError: certificate, key or authorities cannot be used.
        """
        wanted = tuple(alpn or ())
        if wanted not in self._contexts:
            self._contexts[wanted] = make_context(self.ca, self.cert, self.key, wanted)
        return self._contexts[wanted]


def make_context(ca: str, cert: str = "", key: str = "", alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """A TLS client that trusts the PEM texts of `ca` alone, and shows `cert` where there is one.

    :raises OverlayError: one of them cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The network's bundle may hold an intermediate authority without its root: Go's SDKs trust that, too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=ca)
        if cert:
            _load_pair(context, cert, key)
    except (ssl.SSLError, ValueError) as error:
        raise OverlayError(f"certificate, key or authorities of the identity cannot be used: {error}") from error
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _load_pair(context: ssl.SSLContext, cert: str, key: str) -> None:
    """OpenSSL reads them from a file only: one that lives in memory and has no name."""
    descriptor = os.memfd_create("identity", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(f"{key.rstrip()}\n{cert}".encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _object(document: str) -> dict[str, Any]:
    try:
        found = json.loads(document)
    except ValueError as error:
        raise OverlayError(_DAMAGED.format("is damaged")) from error
    if not isinstance(found, dict):
        raise OverlayError(_DAMAGED.format("is damaged"))
    if found.get("overlay"):
        raise OverlayError(f"the identity document is for overlay {found['overlay']!r}, and this daemon uses ziti")
    return found


def _controller(url: str) -> str:
    """https://host:port of a controller's URL. Source: SDKs take it with and without the path of the client API."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        host, port = "", 0
    if not host or parts.scheme != "https":
        raise OverlayError(_DAMAGED.format("names no controller"))
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _pem(parts: dict[str, Any], name: str) -> str:
    """The text of a part. Source: `pem:TEXT`, `file:PATH`, `file://PATH`, a bare PEM text or path."""
    value = parts.get(name)
    if not isinstance(value, str) or not value:
        raise OverlayError(_DAMAGED.format(f"holds no {name}"))
    value = value.removeprefix("pem:")
    if _PEM not in value:
        value = _read(value, name)
    if _PEM not in value:
        raise OverlayError(_DAMAGED.format(f"holds a {name} that is no PEM"))
    return value


def _read(place: str, name: str) -> str:
    path = Path(unquote(urlsplit(place).path) if place.startswith("file:") else place)
    try:
        return path.read_text()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OverlayError(f"the {name} of the identity cannot be read from its file: {reason}") from error
