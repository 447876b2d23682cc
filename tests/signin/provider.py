"""A real OpenID provider: an HTTP server with discovery and keys, and tokens signed by them."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gevent.pywsgi import WSGIServer
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

_KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "RS": lambda told: RSAKey.generate_key(2048, told),
    "PS": lambda told: RSAKey.generate_key(2048, told),
    "ES": lambda told: ECKey.generate_key("P-256", told),
    "Ed": lambda told: OKPKey.generate_key("Ed25519", told),
}


def _context(chain: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


class OpenIdProvider:
    """One provider at a port of loopback. `asked` counts by path; `broken` holds what is answered instead, by path."""

    def __init__(self, *, tls: tuple[Path, Path] | None = None) -> None:
        """`tls`: the files of a certificate: chain, key."""
        self.asked: dict[str, int] = {}
        self.broken: dict[str, tuple[str, bytes]] = {}
        self.hold: Callable[[], object] = lambda: None  # called before each answer
        self.keys: list[Any] = []
        self._made = 0
        secure = {"ssl_context": _context(*tls)} if tls else {}
        self._server = WSGIServer(("127.0.0.1", 0), self._answer, log=None, error_log=None, **secure)
        self._server.start()
        self.issuer = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}/realms/us"
        self.rotate()

    def rotate(self, algorithm: str = "ES256", *, keep: bool = False) -> Any:
        """Sign by a new key from now on. `keep`: those before are still shown."""
        self._made += 1
        key = _KINDS[algorithm[:2]]({"kid": f"key-{self._made}", "use": "sig", "alg": algorithm})
        self.keys = [key, *(self.keys if keep else [])]
        return key

    def token(self, *, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        """Signed as the newest key says; claims of None are left out."""
        key = key or self.keys[0]
        now_s = int(time.time())
        told = {
            "iss": self.issuer, "aud": "zrokd", "sub": "1234", "exp": now_s + 300, "iat": now_s,
            "email": "ann@example.com", "email_verified": True,
        } | claims  # fmt: skip
        told = {name: value for name, value in told.items() if value is not None}
        fields = {"alg": key.get("alg"), "kid": key.kid, "typ": "JWT"} | (header or {})
        fields = {name: value for name, value in fields.items() if value is not None}
        registry = JWSRegistry(algorithms=[fields["alg"]], strict_check_header=False)
        registry.max_header_length = 16384
        return jwt.encode(fields, told, key, registry=registry, default_type=None)

    def stop(self) -> None:
        """It does not answer any more. Idempotent."""
        self._server.stop(timeout=0)
        self._server.close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        path = environ["PATH_INFO"].removeprefix("/realms/us")
        self.asked[path] = self.asked.get(path, 0) + 1
        self.hold()
        status, body = self.broken.get(path) or ("200 OK", json.dumps(self._document(path)).encode())
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _document(self, path: str) -> dict[str, Any]:
        if path == "/keys":
            return {"keys": [key.as_dict(private=False) for key in self.keys]}
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
