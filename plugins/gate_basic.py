"""A gate that asks for a user name and a password."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from zrokd import hookimpl
from zrokd.contracts import DurationS, Gate, SecretSetting, Settings
from zrokd.errors import Invalid
from zrokd.model.http import Allow, RequestHead, Respond, Route, Verdict
from zrokd.model.passwords import check_password_hash, hash_password, verify_password
from zrokd.model.units import Secret

_MOST_KNOWN = 10_000
_MOST_CHECKS = 16  # verifications under way; more would queue behind the thread pool and starve its other users
_Credentials = tuple[str, str]


def _hash(secret: Secret) -> Secret:
    try:
        check_password_hash(secret.reveal())
    except Invalid as error:
        raise ValueError(str(error)) from error
    return secret


class BasicUser(Settings):
    """One user of gate.basic."""

    username: str = Field(min_length=1, pattern="^[^:]*$", description="Name of the user, without a colon.")
    hash: Annotated[SecretSetting, AfterValidator(_hash)] = Field(
        description="The password's hash: scrypt$n$r$p$salt$hash.",
    )


class BasicSettings(Settings):
    """Settings of gate.basic."""

    users: list[BasicUser] = Field(
        default=[], description="Users who may pass before every share, beside the share's own."
    )
    remember: DurationS = Field(
        default=60.0, description="How long a password found right is not verified again; verifying takes some 50 ms."
    )


class BasicGate(Gate):
    """HTTP Basic authentication against hashes: those of the share, then those in YAML. Source: RFC 7617."""

    name = "basic"
    Settings = BasicSettings

    def __init__(self, settings: BasicSettings, ctx: Any) -> None:
        super().__init__(settings, ctx)
        self._users = {user.username: user.hash.reveal() for user in settings.users}
        self._known: dict[bytes, float] = {}  # digest of credentials found right -> until when, oldest first
        self._decoy = ""
        self._checks = 0

    def open(self) -> None:
        """Make the hash that unknown users are compared with, so that they take as long as known ones."""
        self._decoy = self.ctx.offload(hash_password, "")

    def check(self, head: RequestHead, route: Route) -> Verdict:
        """Allow with the user's name and without the credentials, or 401. May switch greenlets."""
        credentials = _credentials(head.get(b"authorization"))
        if credentials is None:
            return _refuse(route)
        name, password = credentials
        wanted = _share_users(route).get(name) or self._users.get(name)
        proof = _digest(name, password, wanted or "")
        if self._remembers(proof):
            return _allow(name)
        if self._checks >= _MOST_CHECKS:
            return _BUSY
        if not self._verify(password, wanted or self._decoy) or wanted is None:
            return _refuse(route)
        self._remember(proof)
        return _allow(name)

    def _verify(self, password: str, encoded: str) -> bool:
        self._checks += 1
        try:
            return self.ctx.offload(verify_password, password, encoded)
        finally:
            self._checks -= 1

    def _remembers(self, proof: bytes) -> bool:
        return self._known.get(proof, 0.0) > self.ctx.clock.monotonic()

    def _remember(self, proof: bytes) -> None:
        self._known.pop(proof, None)
        self._known[proof] = self.ctx.clock.monotonic() + self.settings.remember
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]


def _credentials(value: bytes | None) -> _Credentials | None:
    """User and password of an Authorization field, or None: another scheme, or not well formed."""
    scheme, _, text = (value or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, colon, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if colon and name.isprintable() else None


def _share_users(route: Route) -> dict[str, str]:
    """The users of the share's own gate configuration: {"users": [{"username", "hash"}]}."""
    users = dict(route.gate_config).get("users") or []
    if not isinstance(users, list | tuple):
        raise Invalid("the share's gate configuration has users that are no list")
    return {str(user["username"]): str(user["hash"]) for user in users}


def _digest(*parts: str) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


def _allow(name: str) -> Allow:
    return Allow(((b"zrok-auth-provider", b"basic"), (b"zrok-auth-user", name.encode())), drop=(b"authorization",))


def _refuse(route: Route) -> Respond:
    realm = route.host.replace("\\", "").replace('"', "").encode("ascii", "ignore") or b"zrok"
    challenge = b'Basic realm="' + realm + b'", charset="UTF-8"'
    return Respond(401, b"Sign in to see this.\n", ((b"WWW-Authenticate", challenge), *_PLAIN))


_PLAIN = ((b"Content-Type", b"text/plain; charset=utf-8"), (b"Cache-Control", b"no-store"))
_BUSY = Respond(503, b"Too many sign-ins at once; try again in a moment.\n", ((b"Retry-After", b"1"), *_PLAIN))


@hookimpl
def zrokd_provide_gates() -> list[type[Gate]]:
    """The gate of this module."""
    return [BasicGate]
