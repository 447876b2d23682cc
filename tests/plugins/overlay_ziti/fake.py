"""A controller of a Ziti network that is none: HTTPS, a memory, and faults on demand. It knows as much as we ask."""

from __future__ import annotations

import base64
import itertools
import json
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import gevent.event
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from gevent import pywsgi
from gevent.pool import Pool
from zrokd_plugins.overlay_ziti.authority import Authority, certificate_of

CLIENT, MANAGEMENT, FABRIC = "/edge/client/v1", "/edge/management/v1", "/fabric/v1"
_STRING = r'"(?:[^"\\]|\\.)*"'
_TERM = re.compile(rf"([\w.-]+)(=| in )({_STRING}|\[{_STRING}(?:, {_STRING})*\])")


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class No(Exception):
    """The controller refuses."""

    def __init__(self, status: int, code: str = "REFUSED", field_: str = "", message: str = "no") -> None:
        cause = {"field": field_, "reason": "because", "value": "?"} if field_ else None
        self.status, self.body = status, {"error": {"code": code, "message": message, "cause": cause}, "meta": {}}


Fault = Callable[[Asked], Any]  # returns None to let it pass, or raises No, or returns (status, bytes)


@dataclass
class FakeController:
    """`faults` are asked first. `asked` is what came. `things` is what the network holds, by kind and id."""

    authority: Authority
    asked: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    things: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    knows_us: bool = True

    def __post_init__(self) -> None:
        self.authority.ensure("fake", ["127.0.0.1", "localhost"])
        self._ids = itertools.count(1)
        self._over = gevent.event.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority.server, self.authority.key)
        context.load_verify_locations(self.authority.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        self._server = _Server(
            ("127.0.0.1", 0), self._app, log=None, error_log=None, ssl_context=context, spawn=Pool(100)
        )
        self._server.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_port}"

    @property
    def ca(self) -> str:
        return self.authority.ca.read_text()

    def close(self) -> None:
        self._over.set()
        self._server.stop(timeout=0)

    def hang(self, asked: Asked) -> None:
        """A fault: no answer while we live."""
        self._over.wait()

    def count(self, method: str, path: str) -> int:
        """How many requests to a path that ends so."""
        return sum(each.method == method and each.path.endswith(path) for each in self.asked)

    def kind(self, kind: str) -> dict[str, dict[str, Any]]:
        """Things of a kind, by name."""
        return {each["name"]: each for each in self.things.get(kind, {}).values()}

    def token(self, subject: str = "somebody", **changes: Any) -> str:
        """A one-time token that this controller signed."""
        claims = {"iss": self.url, "sub": subject, "em": "ott", "jti": "one-time", "exp": 4_000_000_000, **changes}
        return sign(self.authority, claims)

    def identity(self, subject: str = "somebody") -> tuple[str, str]:
        """Certificate and key (PEM) of an identity of this network."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        pem = key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self._sign(request), pem.decode()

    # -- answers ---

    def _app(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        asked = _read(environ)
        self.asked.append(asked)
        try:
            status, body = self._answer(asked)
        except No as no:
            status, body = no.status, no.body
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        start(f"{status} x", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
        return [data]

    def _answer(self, asked: Asked) -> tuple[int, Any]:
        for fault in list(self.faults):
            if (answer := fault(asked)) is not None:
                return answer  # type: ignore[no-any-return]
        if asked.path == "/.well-known/est/cacerts":
            return 200, self._authorities()
        if asked.path == f"{CLIENT}/enroll":
            return self._enrol(asked)
        base = next((each for each in (CLIENT, MANAGEMENT, FABRIC) if asked.path.startswith(each)), "")
        path = asked.path.removeprefix(base)
        if path == "/authenticate":
            return self._login()
        if asked.headers.get("zt-session") not in self.tokens:
            raise No(401, "UNAUTHORIZED")
        if path == "/current-api-session":
            return 200, {"data": {}}
        return self._thing(asked, path.strip("/"))

    def _login(self) -> tuple[int, Any]:
        if not self.knows_us:
            raise No(401, "INVALID_AUTH")
        token = f"session-{next(self._ids)}"
        self.tokens.add(token)
        return 200, {"data": {"token": token, "id": token}}

    def _thing(self, asked: Asked, path: str) -> tuple[int, Any]:
        kind, id_, related = [*path.split("/", 2), "", ""][:3]
        things = self.things.setdefault(kind, {})
        if id_ and id_ not in things:
            raise No(404, "NOT_FOUND")
        if asked.method == "POST" and kind == "sessions":
            return 201, {"data": self._session(things, {**asked.json, "apiSessionId": asked.headers["zt-session"]})}
        if asked.method == "POST":
            return 201, {"data": self._make(kind, things, asked.json)}
        if asked.method == "PATCH":
            things[id_].update(asked.json)
            return 200, {"data": {}}
        if asked.method == "DELETE":
            del things[id_]
            return 200, {"data": {}}
        if id_ and not related:
            return 200, {"data": things[id_]}
        known = self._related(kind, things[id_], related) if related else list(things.values())
        fits = [each for each in known if _fits(each, asked.query.get("filter", ""))]
        offset, limit = int(asked.query.get("offset", 0)), int(asked.query.get("limit", 10))
        return 200, {"data": fits[offset : offset + limit], "meta": {}}

    def _related(self, kind: str, thing: dict[str, Any], other: str) -> list[dict[str, Any]]:
        if other == "configs":
            return [each for each in self.things[other].values() if each["id"] in thing["configs"]]
        if other == "services":
            policies = self._related(kind, thing, "service-policies")
            return [each for each in self.things.get(other, {}).values() if self._meets(policies, "serviceRoles", each)]
        assert other == "service-policies"
        roles = {"services": "serviceRoles", "identities": "identityRoles"}[kind]
        return [each for each in self.things.get(other, {}).values() if self._meets([each], roles, thing)]

    def _meets(self, policies: list[dict[str, Any]], roles: str, thing: dict[str, Any]) -> bool:
        names = {f"@{thing['id']}", *(f"#{attribute}" for attribute in thing["roleAttributes"])}
        return any(names & set(each.get(roles, ())) for each in policies)

    def _make(self, kind: str, things: dict[str, dict[str, Any]], body: dict[str, Any]) -> dict[str, Any]:
        if any(each["name"] == body["name"] for each in things.values()):
            raise No(400, "COULD_NOT_VALIDATE", "name", "duplicate value")
        self._check_roles(body)
        id_ = f"id{next(self._ids)}"
        thing = things[id_] = {**body, "id": id_}
        if kind == "identities":
            thing["enrollment"] = {"ott": {"jwt": self.token(id_)}}
        return thing

    def _session(self, things: dict[str, dict[str, Any]], body: dict[str, Any]) -> dict[str, Any]:
        """As the real one: each API session has one a service and a kind, and is told it again."""
        for each in things.values():
            if body.items() <= each.items():
                return each
        id_ = f"id{next(self._ids)}"
        routers = [
            {"name": "r1", "supportedProtocols": {"tls": "tls://127.0.0.1:1"}},
            {"name": "no tls", "supportedProtocols": {}},
        ]
        things[id_] = {**body, "id": id_, "token": f"token-{id_}", "edgeRouters": routers}
        return things[id_]

    def _check_roles(self, body: dict[str, Any]) -> None:
        for role in body.get("serviceRoles", ()):
            if role.startswith("@") and role[1:] not in self.things.get("services", {}):
                raise No(400, "COULD_NOT_VALIDATE", "serviceRoles", "no such service")

    def _enrol(self, asked: Asked) -> tuple[int, Any]:
        if asked.query.get("token") != "one-time":
            raise No(400, "INVALID_ENROLLMENT_TOKEN", message="the token is used or over")
        return 200, {"data": {"cert": self._sign(x509.load_pem_x509_csr(asked.body))}}

    def _authorities(self) -> bytes:
        roots = pkcs7.serialize_certificates([certificate_of(self.authority.ca)], Encoding.DER)
        return base64.encodebytes(roots)

    def _sign(self, request: x509.CertificateSigningRequest) -> str:
        root = certificate_of(self.authority.ca)
        made = x509.CertificateBuilder(root.subject, request.subject, request.public_key())
        made = made.serial_number(x509.random_serial_number())
        made = made.not_valid_before(root.not_valid_before_utc).not_valid_after(root.not_valid_after_utc)
        return made.sign(_key(self.authority), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


class _Server(pywsgi.WSGIServer):
    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> Any:
        client_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return super().wrap_socket_and_handle(client_socket, address)


def sign(authority: Authority, claims: dict[str, Any], algorithm: str = "ES256") -> str:
    """A JWT of the holder of the controller's key."""
    head = {"alg": algorithm, "typ": "JWT"}
    signed = ".".join(_encode(json.dumps(part).encode()) for part in (head, claims))
    key = serialization.load_pem_private_key(authority.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _key(authority: Authority) -> Any:
    return serialization.load_pem_private_key(authority.ca_key.read_bytes(), None)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _read(environ: dict[str, Any]) -> Asked:
    headers = {name[5:].lower().replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    body = environ["wsgi.input"].read()
    return Asked(environ["REQUEST_METHOD"], unquote(environ["PATH_INFO"]), query, headers, body)


def _fits(thing: dict[str, Any], words: str) -> bool:
    """Whether a thing fits a filter of terms joined by `and`."""
    terms = _TERM.findall(words)
    assert not words or " and ".join("".join(term) for term in terms) == words, words
    for name, _, text in terms:
        found = (thing.get("tags") or {}).get(name[5:]) if name.startswith("tags.") else thing.get(name)
        if found not in [re.sub(r"\\(.)", r"\1", each[1:-1]) for each in re.findall(_STRING, text)]:
            return False
    return True
