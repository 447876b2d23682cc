"""All use cases of one controller."""

from __future__ import annotations

from dataclasses import dataclass

from zrokd.contracts import Clock, Hooks, OverlayAdmin
from zrokd.model.limits import LimitClass, Limits
from zrokd.model.naming import new_token
from zrokd.model.site import Site
from zrokd.service.accesses import Accesses
from zrokd.service.accounts import Accounts
from zrokd.service.agents import Agents
from zrokd.service.bandwidth import Bandwidth
from zrokd.service.binds import Binds
from zrokd.service.core import AgentLine, Bell, Core, Mailbox, NoAgentLine, NoMailbox, Prove
from zrokd.service.directory import StoreDirectory
from zrokd.service.environments import Environments
from zrokd.service.frontends import Frontends
from zrokd.service.identities import Identities
from zrokd.service.lists import Lists
from zrokd.service.logins import Logins
from zrokd.service.metrics import Metrics
from zrokd.service.names import Names
from zrokd.service.namespaces import Namespaces
from zrokd.service.organizations import Organizations
from zrokd.service.outbox import Outbox
from zrokd.service.overview import Overviews
from zrokd.service.passwords import Passwords
from zrokd.service.privileges import Privileges
from zrokd.service.receipts import Receipts
from zrokd.service.reconcile import Reconciler
from zrokd.service.registrations import Registrations
from zrokd.service.shares import Shares
from zrokd.service.tokens import Tokens
from zrokd.service.trail import Trail
from zrokd.service.usage import Usage
from zrokd.store.database import Offload, Store, direct


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One of each. Every method may switch greenlets and raises only errors of `zrokd.errors`.

    Methods that take a `principal` act for its account and see nothing of others'. Methods without one are the
    operator's: their caller has made sure that an administrator, or the configuration, asks.
    """

    accounts: Accounts
    tokens: Tokens
    logins: Logins
    registrations: Registrations
    environments: Environments
    shares: Shares
    accesses: Accesses
    binds: Binds
    names: Names
    namespaces: Namespaces
    frontends: Frontends
    identities: Identities
    organizations: Organizations
    privileges: Privileges
    lists: Lists
    metrics: Metrics
    agents: Agents
    overviews: Overviews
    usage: Usage
    bandwidth: Bandwidth
    outbox: Outbox
    receipts: Receipts
    reconciler: Reconciler
    trail: Trail
    directory: StoreDirectory


def make_services(
    store: Store,
    overlay: OverlayAdmin,
    hooks: Hooks,
    clock: Clock,
    bell: Bell,
    limits: Limits | None = None,
    worker: str = "",
    site: Site | None = None,
    mailbox: Mailbox | None = None,
    hashing: Offload = direct,
    bandwidth: tuple[LimitClass, ...] = (),
    prove: Prove = lambda _credentials: None,
    agents: AgentLine | None = None,
) -> Services:
    """The services of one controller. `limits` and `bandwidth` hold for accounts without limit classes of
    their own.

    `hashing` runs what hashes passwords, off the hub and few at a time. Without a `mailbox` nobody is written to.
    `prove` knows people whose passwords are kept elsewhere; it is asked before the accounts' own.

    Services that replace others in one run (a reload) are given the `worker` of those: work under way is theirs.
    """
    core = Core(
        store=store,
        overlay=overlay,
        hooks=hooks,
        clock=clock,
        bell=bell,
        limits=limits or Limits(),
        bandwidth=bandwidth,
        worker=worker or new_token(),
        site=site or Site(),
        mailbox=mailbox or NoMailbox(),
        passwords=Passwords(hashing),
        prove=prove,
        agents=agents or NoAgentLine(),
    )
    return _over(core)


def _over(core: Core) -> Services:
    trail = Trail(core.store, core.clock)
    return Services(
        accounts=Accounts(core),
        tokens=Tokens(core),
        logins=Logins(core, trail),
        registrations=Registrations(core),
        environments=Environments(core),
        shares=Shares(core),
        accesses=Accesses(core),
        binds=Binds(core),
        names=Names(core),
        namespaces=Namespaces(core),
        frontends=Frontends(core),
        identities=Identities(core),
        organizations=Organizations(core),
        privileges=Privileges(core),
        lists=Lists(core),
        metrics=Metrics(core),
        agents=Agents(core),
        overviews=Overviews(core),
        usage=Usage(core),
        bandwidth=Bandwidth(core),
        outbox=Outbox(core),
        receipts=Receipts(core),
        reconciler=Reconciler(core),
        trail=trail,
        directory=StoreDirectory(core.store, core.clock),
    )
