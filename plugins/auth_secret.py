"""Secrets of the operator's, from the YAML: who holds one is an administrator."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

from zrokd import hookimpl
from zrokd.contracts import Authenticator, Directory, SecretSetting, Settings
from zrokd.model.account import Credentials, Principal
from zrokd.model.units import Secret

_LEAST = 8  # characters; as of the tokens that stand in a YAML


def _long(secret: Secret) -> Secret:
    if len(secret.reveal()) < _LEAST:
        raise ValueError(f"a secret has at least {_LEAST} characters: who guesses it is an administrator")
    return secret


class SecretSettings(Settings):
    """Which secrets count."""

    secrets: list[Annotated[SecretSetting, AfterValidator(_long)]] = Field(
        min_length=1, description="Secrets of administrators; several, so that they can be changed one after another."
    )


class SecretAuthenticator(Authenticator):
    """Administrators, by secrets that stand in the YAML (or better: are referred to there)."""

    name = "secret"
    Settings = SecretSettings

    def authenticate(self, credentials: Credentials, directory: Directory) -> Principal | None:  # noqa: ARG002
        """An administrator when the token is one of the secrets, else None. Takes equally long for any token."""
        given = _digest(credentials.token)
        matches = [hmac.compare_digest(given, _digest(secret.reveal())) for secret in self.settings.secrets]
        return Principal(admin=True, method=self.name) if any(matches) and credentials.token else None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@hookimpl
def zrokd_provide_auths() -> Iterable[type[Authenticator]]:
    """The authenticator of this module."""
    return [SecretAuthenticator]
