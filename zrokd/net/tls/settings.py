"""What YAML says about TLS on a listener."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, PrivateAttr, model_validator

from zrokd.contracts.rules import Mistake
from zrokd.contracts.settings import DurationS, SecretSetting, Settings
from zrokd.errors import Invalid
from zrokd.net.tls import certificate
from zrokd.net.tls.certificate import Certificate


class CertificateSettings(Settings):
    """A certificate and its key. Both are read with the YAML, so that SIGHUP takes up new ones."""

    chain: str = Field(
        description="Its PEM text, intermediate ones behind it: !file and the path of what your authority gave you."
    )
    key: SecretSetting = Field(description="The PEM text of its private key, without passphrase: !file and the path.")
    _loaded: Certificate = PrivateAttr()

    @model_validator(mode="after")
    def _load(self) -> CertificateSettings:
        try:
            self._loaded = certificate.read(self.chain, self.key)
        except Invalid as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def loaded(self) -> Certificate:
        """The certificate, found fit for use."""
        return self._loaded

    def caution(self) -> Iterator[Mistake]:
        """That it ended, or is for nobody."""
        if sentence := certificate.caution(self._loaded):
            yield Mistake(sentence, ("chain",))


class TlsSettings(Settings):
    """TLS for those who connect."""

    certificates: list[CertificateSettings] = Field(
        min_length=1,
        description="Chosen by the host name that a visitor asks for (SNI), `*.` included; else the first one.",
    )
    handshake_time: DurationS = Field(default=10.0, gt=0, description="From a connection's first byte to its last key.")
    handshakes: int = Field(
        default=256,
        ge=1,
        description="Handshakes at once; beyond, the one that waits longest for its visitor ends.",
    )
