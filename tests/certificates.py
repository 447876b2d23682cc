"""Certificates that sign themselves, for tests."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Issued:
    """PEM texts."""

    chain: str
    key: str

    def write(self, folder: Path, name: str = "own") -> tuple[Path, Path]:
        """Both as files; the key for its owner alone."""
        chain, key = folder / f"{name}.crt", folder / f"{name}.key"
        chain.write_text(self.chain)
        key.touch(mode=0o600)
        key.write_text(self.key)
        return chain, key


@functools.cache
def private_key(kind: str, _number: int = 0) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    """A key of `kind` (p256, rsa1024, rsa2048, rsa4096); one for each number: making it takes long."""
    return ec.generate_private_key(ec.SECP256R1()) if kind == "p256" else rsa.generate_private_key(65537, int(kind[3:]))


def issue(*names: str, kind: str = "p256", days: float = 1.0, passphrase: bytes = b"", number: int = 0) -> Issued:
    """A certificate for host names and addresses that ends in so many days."""
    key = private_key(kind, number)
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "nobody")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    hidden = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return Issued(
        made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode(),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden).decode(),
    )


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(name)) if name[0].isdigit() or ":" in name else x509.DNSName(name)
