"""The certificates of a network that we run ourselves: one root, and a key pair for the controller under our names.

Everything is P-256. The root signs the controller's certificates and, as the enrolment signer, those of routers and
identities: so one file of trust is enough for all of them.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = dt.timedelta(days=1)
ROOT_DAYS = 3650
LEAF_DAYS = 365
RENEW_DAYS = 60  # before its end a controller's certificate is made anew


@dataclass(frozen=True, slots=True)
class Authority:
    """A folder with `ca.pem`, `ca.key`, `server.pem`, `client.pem`, `controller.key`; keys have mode 0600."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The root certificate."""
        return self.folder / "ca.pem"

    @property
    def ca_key(self) -> Path:
        """The root's key."""
        return self.folder / "ca.key"

    @property
    def server(self) -> Path:
        """What the controller shows to those who connect."""
        return self.folder / "server.pem"

    @property
    def client(self) -> Path:
        """What the controller shows to those it connects to."""
        return self.folder / "client.pem"

    @property
    def key(self) -> Path:
        """The controller's key, of both."""
        return self.folder / "controller.key"

    def ensure(self, trust_domain: str, names: Sequence[str], now: dt.datetime | None = None) -> bool:
        """Make what is missing, for other names, or ends within RENEW_DAYS; whether anything was made.

        `names` are host names and addresses under which the controller is reached. Blocks for some milliseconds. The
        root is made once and kept: every certificate of the network hangs on it.
        """
        at = now or dt.datetime.now(dt.UTC)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self.ca.exists() and self.ca_key.exists()):
            self._make_root(trust_domain, at)
        elif self._serves(names, at):
            return False
        self._make_leaves(trust_domain, names, at)
        return True

    def _make_root(self, trust_domain: str, at: dt.datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        made = _builder(_name(trust_domain), _name(trust_domain), key.public_key(), at, ROOT_DAYS)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        made = made.add_extension(_usage(signs_certificates=True), critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        made = made.add_extension(_alternatives([f"spiffe://{trust_domain}"], []), critical=False)
        write(self.ca_key, _key_pem(key), 0o600)
        write(self.ca, made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), 0o644)

    def _make_leaves(self, trust_domain: str, names: Sequence[str], at: dt.datetime) -> None:
        root = certificate_of(self.ca)
        signer = serialization.load_pem_private_key(self.ca_key.read_bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        who = [f"spiffe://{trust_domain}/controller/{trust_domain}"]
        write(self.key, _key_pem(key), 0o600)
        for path, reached_as in ((self.client, ()), (self.server, names)):
            made = _builder(_name(f"controller of {trust_domain}"), root.subject, key.public_key(), at, LEAF_DAYS)
            made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            made = made.add_extension(_usage(signs_certificates=False), critical=True)
            made = made.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            made = made.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
            )
            made = made.add_extension(_alternatives(who, reached_as), critical=False)
            pem = made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
            write(path, pem + self.ca.read_bytes(), 0o644)

    def _serves(self, names: Sequence[str], at: dt.datetime) -> bool:
        """Whether the controller's certificate is there, for exactly these names, and will be for a while."""
        if not all(path.exists() for path in (self.server, self.client, self.key)):
            return False
        leaf = certificate_of(self.server)
        return leaf.not_valid_after_utc >= at + RENEW_DAYS * _DAY and names_of(leaf) == {*names}


def certificate_of(file: Path) -> x509.Certificate:
    """The first certificate of a PEM file. :raises ValueError: it holds none."""
    return x509.load_pem_x509_certificate(file.read_bytes())


def names_of(certificate: x509.Certificate) -> set[str]:
    """Host names and addresses that it stands for."""
    has = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*has.get_values_for_type(x509.DNSName), *map(str, has.get_values_for_type(x509.IPAddress))}


def write(path: Path, content: bytes, mode: int) -> None:
    """The file whole or not at all, and never readable by others in between."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, at: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _DAY)  # clocks of other machines may be behind
        .not_valid_after(at + days * _DAY)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _alternatives(uris: Sequence[str], names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [*map(x509.UniformResourceIdentifier, uris), *(_general_name(name) for name in names)]
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
