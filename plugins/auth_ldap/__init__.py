"""People of an LDAP directory: whoever knows a password there has an account here, or administers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from zrokd import hookimpl
from zrokd.contracts import Authenticator, Directory, Health
from zrokd.contracts.people import principal_of
from zrokd.errors import Denied, StartError
from zrokd.model.account import Credentials, Principal

from .settings import LdapSettings

if TYPE_CHECKING:
    from .servers import Servers

_LONGEST = 256  # characters of a name, and of a password


class LdapAuthenticator(Authenticator):
    """People of an LDAP directory, by the password that they have there. Each login asks anew."""

    name = "ldap"
    Settings = LdapSettings
    _servers: Servers | None = None

    def open(self) -> None:
        """Ready to ask; nobody is asked yet. :raises StartError: certificates or filter are unfit, or no driver."""
        try:
            from .people import check_filter
            from .servers import Servers
        except ImportError as error:
            raise StartError("auth ldap needs ldap3: install zrokd[ldap]") from error
        check_filter(self.settings.filter)
        self._servers = Servers(self.settings, self.ctx.clock, self.ctx.log)

    def authenticate(self, credentials: Credentials, directory: Directory) -> Principal | None:
        """Who that is; None: no name and password, or nobody there is called so. Switches greenlets.

        :raises Denied: not the password, or no account. :raises Unavailable: no server answers.
        """
        login, password = credentials.username.strip(), credentials.password
        if not login or not password or not login.isprintable() or max(len(login), len(password)) > _LONGEST:
            return None
        from .people import prove

        assert self._servers is not None
        person = self._servers.ask(prove(self.settings, login, password))
        if person is None:
            return None
        try:
            return principal_of(person.email, directory, self.settings, method=self.name, admin=person.admin)
        except Denied as error:
            self.ctx.log.info("%s", error)  # the password was right: people will ask the operator
            raise

    def health(self) -> Health:
        """What the last login found."""
        trouble = self._servers.trouble if self._servers else ""
        return Health(ok=not trouble, detail=trouble)


@hookimpl
def zrokd_provide_auths() -> Iterable[type[Authenticator]]:
    """The authenticator of this module."""
    return [LdapAuthenticator]
