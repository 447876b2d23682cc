"""People of this system: whoever knows a password that PAM takes has an account here, or administers."""

from __future__ import annotations

import contextlib
import enum
import grp
import os
import pwd
import re
import threading
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import Authenticator, Directory, DurationS, passes
from zrokd.contracts.people import PeopleSettings, principal_of
from zrokd.errors import Denied, StartError, Unavailable
from zrokd.model.account import Credentials, Principal
from zrokd.model.naming import check_zone

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_NEVER = "root"  # whose password nobody shall guess from afar
_LONGEST = 256  # characters of a password
_AT_ONCE = 2  # a module that hangs keeps its thread, and every query needs one, too


class Says(enum.Enum):
    """What an answer of PAM means."""

    YES = "yes"
    NO = "no"
    NOBODY = "nobody"  # nobody is called so
    NOTHING = "nothing"  # nothing about the password


class PamSettings(PeopleSettings):
    """Whom PAM is asked about, and by which rules."""

    domain: Annotated[str, passes(check_zone)] = Field(
        description="People are NAME@domain here: the system knows no e-mail addresses. They may type NAME alone."
    )
    service: str = Field(
        default="zrokd",
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="The file of /etc/pam.d with the rules; who may log in at all stands there.",
    )
    admin_groups: list[str] = Field(
        default_factory=list, description="Groups of the system; who is in one is an administrator."
    )
    timeout: DurationS = Field(
        default=8.0, gt=0, le=8.0, description="How long a login may take; the modules' pause after a failure included."
    )


class PamAuthenticator(Authenticator):
    """People of this system, by the password that PAM takes. Each login asks anew."""

    name = "pam"
    Settings = PamSettings

    def open(self) -> None:
        """PAM is loaded. :raises StartError: this system has none, or there is no driver."""
        self._room = threading.Semaphore(_AT_ONCE)
        try:
            import pam

            pam.PamAuthenticator()
        except ImportError as error:
            raise StartError("auth pam needs python-pam: install zrokd[pam]") from error
        except (OSError, AttributeError, TypeError) as error:
            raise StartError(f"libpam and libpam_misc cannot be loaded: {error}") from error

    def authenticate(self, credentials: Credentials, directory: Directory) -> Principal | None:
        """Who that is; None: no name and password, or nobody here is called so. Switches greenlets.

        :raises Denied: not the password, or no account. :raises Unavailable: PAM cannot say now.
        """
        user, password = self._user(credentials.username), credentials.password
        if not user or not password or "\0" in password or len(password) > _LONGEST:
            return None
        says, reason = self._ask(user, password)
        match says:
            case Says.NOBODY:
                return None
            case Says.NOTHING:
                self.ctx.log.warning("PAM cannot say who %r is: %s", user, reason)
                raise Unavailable("it cannot be said now who people are; try again")
            case Says.NO:
                raise Denied(f"PAM refuses {user!r}: {reason}")
        return self._principal(user, directory)

    def _principal(self, user: str, directory: Directory) -> Principal:
        settings = self.settings
        groups = self.ctx.offload(groups_of, user) if settings.admin_groups else set()
        admin = not groups.isdisjoint(settings.admin_groups)
        try:
            return principal_of(f"{user}@{settings.domain}", directory, settings, method=self.name, admin=admin)
        except Denied as error:
            self.ctx.log.info("%s", error)  # the password was right: people will ask the operator
            raise

    def _user(self, login: str) -> str:
        """The name that the system has for who types this; "" when it can have none."""
        user, at, domain = login.strip().partition("@")
        ours = not at or domain.lower() == self.settings.domain.lower()
        return user if ours and _USER.fullmatch(user) and user != _NEVER else ""

    def _ask(self, user: str, password: str) -> tuple[Says, str]:
        """:raises Unavailable: it takes too long, or too many ask; a thread that hangs keeps its place."""
        if not self._room.acquire(timeout=self.settings.timeout):
            raise Unavailable("too many people log in; try again")
        answer: list[tuple[Says, str]] = []
        asking = self.ctx.spawn(self._offload, user, password, answer, name="pam")
        asking.join(self.settings.timeout)
        if not answer:
            self.ctx.log.warning("PAM did not say within %g s who %r is", self.settings.timeout, user)
            raise Unavailable("it cannot be said now who people are; try again")
        return answer[0]

    def _offload(self, user: str, password: str, answer: list[tuple[Says, str]]) -> None:
        try:
            answer.append(self.ctx.offload(ask_pam, user, password, self.settings.service))
        finally:
            self._room.release()


def ask_pam(user: str, password: str, service: str) -> tuple[Says, str]:
    """What PAM says, and in its own words. Blocks, after a failure for some two seconds.

    The password is checked, and whether the account may be used now; no session is opened.
    """
    import pam

    asked = pam.PamAuthenticator()
    asked.authenticate(user, password, service, resetcreds=False)
    says = {pam.PAM_SUCCESS: Says.YES, pam.PAM_USER_UNKNOWN: Says.NOBODY} | dict.fromkeys(
        (
            pam.PAM_ABORT,
            pam.PAM_AUTHINFO_UNAVAIL,
            pam.PAM_BUF_ERR,
            pam.PAM_CONV_ERR,
            pam.PAM_MODULE_UNKNOWN,
            pam.PAM_OPEN_ERR,
            pam.PAM_SERVICE_ERR,
            pam.PAM_SYMBOL_ERR,
            pam.PAM_SYSTEM_ERR,
            pam.PAM_TRY_AGAIN,
        ),
        Says.NOTHING,
    )
    return says.get(asked.code, Says.NO), str(asked.reason)


def groups_of(user: str) -> set[str]:
    """Names of the groups of the system that somebody is in; none when the system does not know them. Blocks."""
    found = set()
    with contextlib.suppress(KeyError):
        for number in os.getgrouplist(user, pwd.getpwnam(user).pw_gid):
            with contextlib.suppress(KeyError):  # a number without a name
                found.add(grp.getgrgid(number).gr_name)
    return found


@hookimpl
def zrokd_provide_auths() -> Iterable[type[Authenticator]]:
    """The authenticator of this module."""
    return [PamAuthenticator]
