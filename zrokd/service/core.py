"""What every use case works with, and the two questions each one asks first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from zrokd.contracts import Clock, Hooks, OverlayAdmin
from zrokd.errors import AgentAway, Denied, Unavailable
from zrokd.model.account import Credentials, Principal
from zrokd.model.limits import LimitClass, Limits, Refusal
from zrokd.model.naming import new_token
from zrokd.model.site import Site
from zrokd.service.passwords import Passwords
from zrokd.store import audit
from zrokd.store.database import Store, direct

T = TypeVar("T")


class Bell(Protocol):
    """Wakes those who wait for news of names."""

    version: int

    def ring(self) -> None:
        """Wake everybody who waits. Does not switch greenlets."""

    def wait(self, version: int, timeout_s: float) -> int:
        """The version as soon as it is past `version`, or as it is after `timeout_s` seconds. Switches greenlets."""


class Mailbox(Protocol):
    """Whoever sends what waits in the outbox."""

    def ring(self) -> None:
        """Something may wait. Returns at once, so that nobody learns from the time whether there is one to send."""


class NoMailbox:
    """For controllers that write to nobody."""

    def ring(self) -> None:
        """Nothing is sent. :raises Unavailable: always."""
        raise Unavailable("this controller sends no mail")


#: Who holds a name and a password that are kept elsewhere; None: nobody there has the name.
#: :raises Denied: somebody has, and that is not the password. :raises Unavailable: it cannot be said now.
Prove = Callable[[Credentials], Principal | None]


class AgentLine(Protocol):
    """Speaks to agents."""

    def ask(self, token: str, asked: object) -> Any:
        """What the agent behind the service `token` answers: the message that belongs to `asked`. Switches greenlets.

        :raises AgentAway: it does not answer, or refuses; in words for who asked. :raises OverlayError: as it says.
        """


class NoAgentLine:
    """For controllers that speak to no agents."""

    def ask(self, token: str, asked: object) -> Any:  # noqa: ARG002
        """Nothing. :raises AgentAway: always."""
        raise AgentAway(f"this controller does not speak to agents, so not to {token} either")


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The store, the overlay and the ears of this controller. One for all services."""

    store: Store
    overlay: OverlayAdmin
    hooks: Hooks
    clock: Clock
    bell: Bell
    limits: Limits = field(default_factory=Limits)  # for accounts without a limit class of their own
    bandwidth: tuple[LimitClass, ...] = ()  # likewise, of bytes: a warning, a limit, or both
    site: Site = field(default_factory=Site)
    mailbox: Mailbox = field(default_factory=NoMailbox)
    agents: AgentLine = field(default_factory=NoAgentLine)
    passwords: Passwords = field(default_factory=lambda: Passwords(direct))
    prove: Prove = lambda _credentials: None
    worker: str = field(default_factory=new_token)  # this run, as intents know it

    def change(self, event: str, subject: str, function: Callable[[], T], *, account: str = "", **facts: Any) -> T:
        """What `function` returns, run as `Store.write` does it, with one record in the audit trail."""

        def work() -> T:
            done = function()
            audit.note(event, subject, account=account, **facts)
            return done

        return self.store.write(work)


def account_of(principal: Principal) -> int:
    """The account that asks. :raises Denied: it is no account."""
    if principal.account_id is None:
        raise Denied("this needs an account token")
    return principal.account_id


def heed(refusal: Refusal | None) -> None:
    """Go on, unless a plugin refused. :raises Denied: with the plugin's reason."""
    if refusal:
        raise Denied(refusal.reason)
