"""Bearer tokens of an OpenID provider: whoever it vouches for has an account here, or administers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zrokd import hookimpl
from zrokd.contracts import Authenticator, Directory, Health
from zrokd.contracts.people import principal_of
from zrokd.errors import Denied, StartError
from zrokd.model.account import Credentials, Principal

from .settings import OidcSettings

if TYPE_CHECKING:
    from .tokens import Verifier


class OidcAuthenticator(Authenticator):
    """People for whom an OpenID provider vouches, by a signed token of its own, which nobody keeps here."""

    name = "oidc"
    Settings = OidcSettings
    _verifier: Verifier | None = None

    def open(self) -> None:
        """Ready; the provider is asked when its first token is shown. :raises StartError: no driver."""
        try:
            from .tokens import Verifier
        except ImportError as error:
            raise StartError("auth oidc needs joserfc: install zrokd[oidc]") from error
        self._verifier = Verifier(self.settings, self.ctx.clock, self.ctx.log)

    def authenticate(self, credentials: Credentials, directory: Directory) -> Principal | None:
        """Who that is; None: no token of this provider's. May switch greenlets.

        :raises Denied: one of its tokens, and not good, or no account. :raises Unavailable: its keys cannot be had.
        """
        assert self._verifier is not None
        claims = self._verifier.claims(credentials.token)
        if claims is None:
            return None
        email = claims.get(self.settings.email)
        if not isinstance(email, str) or not email.strip():
            raise Denied(f"the token has no claim {self.settings.email!r} with an e-mail address")
        if claims.get("email_verified") is not True and not self.settings.unverified:
            raise Denied(f"the provider has not verified {email!r}, and `unverified` is off")
        admin = not _groups(claims, self.settings.groups).isdisjoint(self.settings.admin_groups)
        return principal_of(email, directory, self.settings, method=self.name, admin=admin)

    def health(self) -> Health:
        """What the last question for keys met."""
        trouble = self._verifier.trouble if self._verifier else ""
        return Health(ok=not trouble, detail=trouble)


def _groups(claims: dict[str, Any], path: str) -> set[str]:
    """What a claim lists; empty when it is none or lists nothing."""
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return {one for one in found if isinstance(one, str)} if isinstance(found, list) else set()


@hookimpl
def zrokd_provide_auths() -> Iterable[type[Authenticator]]:
    """The authenticator of this module."""
    return [OidcAuthenticator]
