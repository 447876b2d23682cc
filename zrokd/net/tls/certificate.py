"""A server's certificate: whether it can be used, for which names, until when."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from zrokd.errors import Invalid
from zrokd.model.units import Secret

# TLS 1.3 brings its own. Source: RFC 9325 §4.2.1; CBC modes and key exchange without forward secrecy are left out.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_PROTOCOLS = ("http/1.1",)
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server shows, and the names it is for: as they stand in it, in lower case, some with `*.` in front."""

    chain: str  # PEM, the server's own first
    key: Secret  # PEM
    names: tuple[str, ...]
    ends: datetime

    def context(self) -> ssl.SSLContext:
        """A server's TLS with this certificate: 1.2 and 1.3, HTTP/1.1 alone."""
        return _context(self.chain, self.key)


def read(chain: str, key: Secret) -> Certificate:
    """The certificate in two PEM texts. Takes milliseconds.

    :raises Invalid: one of them is none, or they do not belong together.
    """
    from cryptography import x509  # takes long to import, and most daemons have no certificate

    if _CERTIFICATE not in chain.encode():
        raise Invalid("the chain holds no certificate; write !file and the path of a PEM file")
    if "PRIVATE KEY-----" not in key.reveal():
        raise Invalid("the key holds no private key; write !file and the path of a PEM file")
    try:
        own, *_ = x509.load_pem_x509_certificates(chain.encode())
        names = _names(own)
    except ValueError as error:
        raise Invalid("the chain holds a damaged certificate") from error
    _context(chain, key)
    return Certificate(chain, key, names, own.not_valid_after_utc)


def caution(certificate: Certificate, now: datetime | None = None) -> str:
    """Why browsers do not take it, or ""."""
    if certificate.ends <= (now or datetime.now(UTC)):
        named = certificate.names[0] if certificate.names else "nobody"
        return f"the certificate for {named} ended on {certificate.ends:%Y-%m-%d %H:%M} UTC; visitors are warned of it"
    return "" if certificate.names else "the certificate names no host; visitors are warned of it"


def _names(own: object) -> tuple[str, ...]:
    from cryptography import x509

    assert isinstance(own, x509.Certificate)
    try:
        other = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()  # browsers look nowhere else. Source: RFC 9525 §2
    addresses = (str(address) for address in other.get_values_for_type(x509.IPAddress))
    return tuple(name.lower() for name in (*other.get_values_for_type(x509.DNSName), *addresses))


def _context(chain: str, key: Secret) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(list(_PROTOCOLS))
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        _load(context, f"{key.reveal().rstrip()}\n{chain}")
    except ssl.SSLError as error:
        raise Invalid(_reason(error)) from error
    return context


def _load(context: ssl.SSLContext, pem: str) -> None:
    """OpenSSL reads from a file only: one that lives in memory and has no name."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(pem.encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_locked)
    finally:
        os.close(descriptor)


def _locked() -> str:
    """OpenSSL asks for the passphrase of an encrypted key; without this it would ask the terminal."""
    raise Invalid("the key is encrypted with a passphrase; a daemon needs it without: openssl pkey -in KEY -out PLAIN")


def _reason(error: ssl.SSLError) -> str:
    if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
        return "the key does not belong to the first certificate of the chain"
    if error.reason in ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL"):
        return "the key is too short to be safe; take P-256 or RSA with 2048 bits or more"
    return f"certificate and key cannot be used: {error.reason or error}"
