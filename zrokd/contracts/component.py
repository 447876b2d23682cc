"""What every component is, and what the host gives it."""

from __future__ import annotations

import logging
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    import socket

    from zrokd.contracts.overlay import Overlay
    from zrokd.contracts.settings import Settings, Use
    from zrokd.contracts.storage import Storage
    from zrokd.errors import ZrokdError
    from zrokd.model.account import Principal
    from zrokd.model.environment import Environment, EnvironmentDraft
    from zrokd.model.http import ConnectionSummary, ExchangeSummary
    from zrokd.model.limits import Refusal
    from zrokd.model.share import Access, Share, ShareDraft
    from zrokd.model.units import Address

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound="Settings")


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a component can do its work now, and in one sentence why not."""

    ok: bool = True
    detail: str = ""


class Task(Protocol):
    """A greenlet of the host's."""

    def kill(self) -> None:
        """End it; returns when it has ended, or after some seconds, which is logged. Switches greenlets."""

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for its end; whether it ended in time. Switches greenlets."""

    @property
    def done(self) -> bool:
        """Whether it has ended."""


class Clock(Protocol):
    """Time. `monotonic` for waits and durations, `now_ms` for records."""

    def monotonic(self) -> float:
        """Seconds since some start; never goes back."""

    def now_ms(self) -> int:
        """Unix milliseconds."""


class Scales(Protocol):
    """How many connections each process of a role carries; give it to the Listener that accepts them."""

    @property
    def heavy(self) -> bool:
        """Whether another process carries clearly less than this one."""

    def weigh(self, count: int) -> None:
        """This process carries `count` connections now."""

    def leave(self) -> None:
        """This process accepts no more."""


class Hooks(Protocol):
    """The hooks of `zrokd.hookspecs` that components call. Deciding ones fail closed, telling ones never raise."""

    def review_environment(self, draft: EnvironmentDraft, principal: Principal) -> Refusal | None:
        """The first refusal, or None."""

    def review_share(self, draft: ShareDraft, principal: Principal) -> Refusal | None:
        """The first refusal, or None."""

    def review_access(self, share: Share, principal: Principal) -> Refusal | None:
        """The first refusal, or None."""

    def on_environment_created(self, environment: Environment, principal: Principal) -> None: ...

    def on_environment_deleted(self, environment: Environment, principal: Principal) -> None: ...

    def on_share_created(self, share: Share, principal: Principal) -> None: ...

    def on_share_deleted(self, share: Share, principal: Principal) -> None: ...

    def on_access_created(self, access: Access, principal: Principal) -> None: ...

    def on_access_deleted(self, access: Access, principal: Principal) -> None: ...

    def on_share_ready(self, token: str, urls: tuple[str, ...], verified: bool) -> None: ...

    def on_share_lost(self, token: str, reason: str) -> None: ...

    def on_access_ready(self, token: str, address: str) -> None: ...

    def hears(self, hook: str) -> bool:
        """Whether anybody implements a hook, by its whole name. What nobody hears need not be made."""

    def on_exchange(self, summary: ExchangeSummary) -> None: ...

    def on_connection_closed(self, summary: ConnectionSummary) -> None: ...


class Context(Protocol):
    """What the host gives a component. Valid from construction until after `close()`."""

    log: logging.Logger
    clock: Clock

    @property
    def state_dir(self) -> Path:
        """This component's own folder, mode 0700; it exists."""

    @property
    def hooks(self) -> Hooks:
        """The hooks of this daemon, to be called."""

    @property
    def overlay(self) -> Overlay:
        """The overlay of this daemon, open."""

    @property
    def storage(self) -> Storage:
        """The storage of this daemon, open. :raises PluginError: when the YAML has none."""

    @property
    def scales(self) -> Scales:
        """What the processes of this role share their connections by (`Role.workers`)."""

    def components(self, slot: str) -> Sequence[Component]:
        """The open components of a top-level ordered slot (auth, sinks, observers), in YAML order, as they are now."""

    def build(self, use: Use, name: str = "") -> Any:
        """A component named inside the caller's settings, made and opened; its instance name is `name` or `use.use`.

        The host closes it after the caller, unless `release` came before. :raises ZrokdError: what its open raised.
        """

    def release(self, component: Component) -> None:
        """Close a component that `build` made. Idempotent."""

    def read(self, model: type[S], data: Mapping[str, Any]) -> S:
        """Settings that are told a running component, checked as those of a file are. May import plugins.

        :raises Invalid: with every mistake in them.
        """

    def spawn(self, function: Callable[..., object], *args: object, name: str = "") -> Task:
        """A new greenlet, named, counted, killed after the component's close. What it raises is logged."""

    def offload(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(...)`, run in a thread of a bounded pool while this greenlet waits. For work that blocks."""

    def fail(self, error: ZrokdError) -> None:
        """What this daemon is for cannot be done: it drains, and its program ends with 1 and this sentence.

        For what is lost for good while it serves; who fails in `open` or `serve` raises. Does not switch greenlets.
        """

    def listen(self, address: Address) -> socket.socket:
        """A listening socket: the one inherited from the service manager for this address, or a new one.

        The caller closes it. :raises StartError: the port is taken or not allowed.
        """


class _NoKeys:
    """The Settings of a component that names none: those without keys, imported when they are asked for."""

    def __get__(self, _instance: object, _owner: type) -> type[Settings]:
        from zrokd.contracts.settings import Settings

        return Settings


class Component(ABC):
    """A thing that YAML enables by name.

    The constructor only keeps what it is given. `open` acquires; `close` gives back, is idempotent, and also follows
    a failed `open`. Hook implementations on the instance are registered while it is open.
    """

    slot: ClassVar[str]
    name: ClassVar[str]
    Settings: ClassVar[type[Settings]] = _NoKeys()  # type: ignore[assignment]

    def __init__(self, settings: Any, ctx: Context) -> None:
        self.settings = settings
        self.ctx = ctx

    @classmethod
    def settings_of_worker(cls, settings: Any) -> Any:
        """What a further process of a role works by, made of the daemon's settings: without what only one may do."""
        return settings

    def open(self) -> None:
        """Acquire what is needed. May switch greenlets. :raises ZrokdError: and `close` follows."""
        return

    def close(self) -> None:
        """Give everything back. May switch greenlets. Idempotent."""
        return

    def health(self) -> Health:
        """Whether it can work now. Answers at once."""
        return Health()
