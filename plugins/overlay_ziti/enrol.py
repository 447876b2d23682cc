"""Enrolment: a one-time token becomes an identity. The key is made here and never leaves.

Source: openziti/sdk-golang `ziti/enroll/enroll.go`; RFC 7519 (JWT), RFC 7030 (authorities).
"""

from __future__ import annotations

import base64
import binascii
import json
import ssl
import warnings
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from zrokd.errors import OverlayError

from .identity import CLIENT_API, IdentityFile, make_context
from .web import Answer, Web

_HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}


@dataclass(frozen=True, slots=True)
class Token:
    """A one-time token: who it is for and where it is redeemed."""

    issuer: str  # https://host:port
    subject: str
    method: str
    id: str
    algorithm: str
    signed: bytes
    signature: bytes

    @classmethod
    def parse(cls, text: str) -> Token:
        """The token in a JWT. Its signature is not looked at yet. :raises OverlayError: it is none."""
        try:
            head, claims, signature = text.strip().split(".")
            found, header = json.loads(_decode(claims)), json.loads(_decode(head))
            return cls(
                issuer=str(found["iss"]).rstrip("/"),
                subject=str(found["sub"]),
                method=str(found["em"]),
                id=str(found["jti"]),
                algorithm=str(header["alg"]),
                signed=f"{head}.{claims}".encode(),
                signature=_decode(signature),
            )
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            raise OverlayError("this is no enrolment token of a Ziti network") from error

    def check(self, certificate: x509.Certificate) -> None:
        """:raises OverlayError: the holder of `certificate` did not sign it."""
        kind, hashed = self.algorithm[:2], _HASHES.get(self.algorithm[2:])
        key = certificate.public_key()
        try:
            if hashed and kind == "RS" and isinstance(key, rsa.RSAPublicKey):
                key.verify(self.signature, self.signed, padding.PKCS1v15(), hashed())
            elif hashed and kind == "ES" and isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(_der(self.signature), self.signed, ec.ECDSA(hashed()))
            else:
                raise InvalidSignature
        except InvalidSignature:
            raise OverlayError(f"{self.issuer} did not sign this enrolment token; is it the right network?") from None


def enrol(jwt: str, *, timeout_s: float = 10.0) -> IdentityFile:
    """Redeem a one-time token at the controller that it names. Switches greenlets.

    Whose certificate signed the token is trusted for the network's authorities, and nobody else.
    :raises OverlayError: refused, not reachable, or not the controller that signed it.
    """
    token = Token.parse(jwt)
    parts = urlsplit(token.issuer)
    site = f"{parts.scheme}://{parts.netloc}"
    unknown = Web([site], _trusting_nobody(), timeout_s=timeout_s)
    try:
        answer = unknown.request("GET", "/.well-known/est/cacerts")
        token.check(x509.load_der_x509_certificate(answer.leaf))
        authorities = read_authorities(answer)
    finally:
        unknown.close()
    web = Web([site], make_context(authorities), timeout_s=timeout_s)
    try:
        certificate, key = redeem(token, web)
    finally:
        web.close()
    return IdentityFile(controllers=(site,), cert=certificate, key=key, ca=authorities)


def redeem(token: Token, web: Web) -> tuple[str, str]:
    """Certificate and key (PEM), from controllers that are trusted already.

    Switches greenlets. :raises OverlayError: refused or not reachable.
    """
    key, request = _key_and_request(token.subject)
    path = f"{CLIENT_API}/enroll?method={quote(token.method)}&token={quote(token.id)}"
    answer = web.request("POST", path, request, {"Content-Type": "application/x-pem-file"})
    return _certificate(answer), key


def read_authorities(answer: Answer) -> str:
    """The network's authorities (PEM) in an answer of `/.well-known/est/cacerts`. :raises OverlayError: none."""
    try:
        with warnings.catch_warnings(action="ignore"):  # openziti does not sort the set, so it is BER, not DER
            found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.body))
    except ValueError as error:
        raise OverlayError("the network's controller does not tell its authorities") from error
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in found)


def _key_and_request(subject: str) -> tuple[str, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return text, request.public_bytes(serialization.Encoding.PEM)


def _certificate(answer: Answer) -> str:
    found: Any = answer.json()
    try:
        if answer.status >= 400:
            raise OverlayError(f"the network refused the enrolment token: {found['error']['message']}")
        return str(found["data"]["cert"])
    except (KeyError, TypeError) as error:
        raise OverlayError(f"the network answered an enrolment with {answer.status} and nothing usable") from error


def _trusting_nobody() -> ssl.SSLContext:
    """What comes over it is checked by the token's signature."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _der(signature: bytes) -> bytes:
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
