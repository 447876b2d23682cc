"""Every hook of zrokd.

Three families, told apart by name:

- `zrokd_provide_*` is asked once at boot, of each plugin module that the YAML names. It returns classes. A raising one
  stops the boot.
- `zrokd_review_*` decides. All are asked in YAML order; the first refusal counts; a raising one refuses.
- `zrokd_on_*` tells, after the fact and after commit. The result is ignored; a raising one is logged and the others
  still run.

A hook implementation names only the arguments it wants. Hooks run per boot, request or connection, never per chunk.
"""

from __future__ import annotations

from collections.abc import Iterable

from zrokd import hookspec
from zrokd.contracts import (
    Authenticator,
    Command,
    Filter,
    Gate,
    Mode,
    Observer,
    Overlay,
    Role,
    Sink,
    Storage,
)
from zrokd.model.account import Principal
from zrokd.model.environment import Environment, EnvironmentDraft
from zrokd.model.http import ConnectionSummary, ExchangeSummary
from zrokd.model.limits import Refusal
from zrokd.model.share import Access, Share, ShareDraft

# -- provide: on the plugin module, once at boot, no greenlet switches ---


@hookspec
def zrokd_provide_roles() -> Iterable[type[Role]]:
    """Role classes of this module. Since 0.1."""
    return []


@hookspec
def zrokd_provide_storages() -> Iterable[type[Storage]]:
    """Storage classes of this module. Since 0.1."""
    return []


@hookspec
def zrokd_provide_overlays() -> Iterable[type[Overlay]]:
    """Overlay classes of this module. Since 0.1."""
    return []


@hookspec
def zrokd_provide_auths() -> Iterable[type[Authenticator]]:
    """Authenticator classes of this module. Since 0.1."""
    return []


@hookspec
def zrokd_provide_modes() -> Iterable[type[Mode]]:
    """Mode classes of this module. Since 0.1."""
    return []


@hookspec
def zrokd_provide_gates() -> Iterable[type[Gate]]:
    """Gate classes of this module. Since 0.1."""
    return []


@hookspec
def zrokd_provide_filters() -> Iterable[type[Filter]]:
    """Filter classes of this module. Since 0.1."""
    return []


@hookspec
def zrokd_provide_sinks() -> Iterable[type[Sink]]:
    """Sink classes of this module. Since 0.1."""
    return []


@hookspec
def zrokd_provide_observers() -> Iterable[type[Observer]]:
    """Observer classes of this module. Since 0.1."""
    return []


@hookspec
def zrokd_provide_commands() -> Iterable[type[Command]]:
    """Command classes of this module. Since 0.1."""
    return []


# -- review: on open components of the controller's daemon; may switch greenlets ---


@hookspec
def zrokd_review_environment(draft: EnvironmentDraft, principal: Principal) -> Refusal | None:
    """May this host be enabled? Before anything is written. Since 0.1."""


@hookspec
def zrokd_review_share(draft: ShareDraft, principal: Principal) -> Refusal | None:
    """May this be shared? Before anything is written. Since 0.1."""


@hookspec
def zrokd_review_access(share: Share, principal: Principal) -> Refusal | None:
    """May this principal have a private access to the share? Grants were checked already. Since 0.1."""


# -- on: on open components; may switch greenlets except where said ---


@hookspec
def zrokd_on_ready() -> None:
    """The daemon serves. Once. Since 0.1."""


@hookspec
def zrokd_on_draining() -> None:
    """The daemon takes nothing new from now on. Once. Since 0.1."""


@hookspec
def zrokd_on_environment_created(environment: Environment, principal: Principal) -> None:
    """In the controller's daemon, after commit. Since 0.1."""


@hookspec
def zrokd_on_environment_deleted(environment: Environment, principal: Principal) -> None:
    """In the controller's daemon, after commit. Its shares and accesses were told before. Since 0.1."""


@hookspec
def zrokd_on_share_created(share: Share, principal: Principal) -> None:
    """In the controller's daemon, after commit. Since 0.1."""


@hookspec
def zrokd_on_share_deleted(share: Share, principal: Principal) -> None:
    """In the controller's daemon, after commit. Since 0.1."""


@hookspec
def zrokd_on_access_created(access: Access, principal: Principal) -> None:
    """In the controller's daemon, after commit. Since 0.1."""


@hookspec
def zrokd_on_access_deleted(access: Access, principal: Principal) -> None:
    """In the controller's daemon, after commit. Since 0.1."""


@hookspec
def zrokd_on_share_ready(token: str, urls: tuple[str, ...], verified: bool) -> None:
    """In the backend's daemon: the share is bound. `verified`: a request came through every public URL. Since 0.1."""


@hookspec
def zrokd_on_share_lost(token: str, reason: str) -> None:
    """In the backend's daemon: the share is not served now; the backend keeps trying. Since 0.1."""


@hookspec
def zrokd_on_access_ready(token: str, address: str) -> None:
    """In the frontend's daemon: a private access listens on `address`. `token` is the share's. Since 0.1."""


@hookspec
def zrokd_on_exchange(summary: ExchangeSummary) -> None:
    """One HTTP request and answer is over, in a frontend or backend. Must not switch greenlets. Since 0.1."""


@hookspec
def zrokd_on_connection_closed(summary: ConnectionSummary) -> None:
    """One visitor's connection is over: in a frontend once per accept, in a backend once per stream of a raw mode.

    Must not switch greenlets. Since 0.1.
    """
