"""The network seen through our contract: dial, bind, streams, and the administrator's half."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from zrokd.contracts.component import Component, Health
from zrokd.errors import UnknownService
from zrokd.model.environment import Identity
from zrokd.model.limits import UsageSample

#: What accesses tell whoever serves the share that they dial; frontends tell nothing.
ACCESS = "access"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who dialled, as far as the overlay knows."""

    identity: str = ""
    address: str = ""
    said: str = ""  # of itself: nobody vouches for it


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that stands on an overlay before anything is shared, and what came of it."""

    action: str  # made, kept, removed, would make, would remove
    what: str

    def __str__(self) -> str:
        return f"{self.action} {self.what}"


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that a listener is reached: how many ends of it the overlay knows, and when one was dialled last."""

    ends: int = 1
    age_s: float | None = None  # since a dial came, of whomever; None: none did, or the overlay does not tell


class Stream(ABC):
    """Bytes both ways, in order. One greenlet may read while one other writes.

    Backpressure is part of it: a slow reader stops its own writer, never its neighbours, and holds no more than
    256 KiB a direction. Every wait ends after `timeout_s` seconds (None: no limit) with StreamTimeout. All waits switch
    greenlets; a greenlet that waits on a stream which another closes gets StreamClosed.
    """

    peer: str = ""  # for logs
    terminator: str = ""  # of a dialled one: to which of those who serve the service it leads, where that is known

    @property
    def secure(self) -> bool:
        """Whether it comes to us inside TLS. What a visitor's address bar shows depends on it."""
        return False

    @property
    def server_name(self) -> str:
        """The host name that a visitor asked for inside TLS, in lower case; "" where none was told."""
        return ""

    @abstractmethod
    def recv(self, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """Up to `max_bytes` bytes as soon as some are there; b"" at the peer's end of stream."""

    @abstractmethod
    def recv_into(self, buffer: memoryview, timeout_s: float | None = None) -> int:
        """As `recv`, into `buffer`; how many bytes."""

    @abstractmethod
    def send(self, data: bytes | bytearray | memoryview, timeout_s: float | None = None) -> None:
        """Hand over all of `data`. The limit counts from the last progress, not from the start."""

    @abstractmethod
    def send_eof(self) -> None:
        """End our direction; the other stays open (half-close). Idempotent."""

    @abstractmethod
    def close(self) -> None:
        """End both directions and give the stream back. Idempotent; never waits."""

    @abstractmethod
    def abort(self) -> None:
        """As `close`, but the peer sees a broken stream, not an end."""

    @abstractmethod
    def wait_readable(self, timeout_s: float | None = None) -> bool:
        """Whether bytes, the end or an error came within the limit."""

    @abstractmethod
    def is_idle(self) -> bool:
        """Whether a stream at rest can be used again: open, and nothing (bytes, end, error) came. Never waits."""

    def fileno(self) -> int:
        """The kernel socket behind the stream, or -1. Then the relay may move bytes in the kernel."""
        return -1


class Listener(ABC):
    """One bound end of a service."""

    @abstractmethod
    def accept(self) -> tuple[Stream, Caller]:
        """The next stream. :raises StreamClosed: the listener was closed. :raises OverlayError: it was lost."""

    @abstractmethod
    def close(self) -> None:
        """Unbind: no new streams; accepted ones live on. Idempotent."""

    def health(self) -> Health:
        """Whether those who dial reach it now, as far as it knows; why not. Answers at once."""
        return Health()

    def proof(self) -> Proof:
        """What that rests on. Answers at once."""
        return Proof()


class Node(ABC):
    """One identity's handle on the overlay."""

    @abstractmethod
    def dial(self, service: str, *, terminator: str | None = None, timeout_s: float = 5.0, caller: str = "") -> Stream:
        """A stream to somebody who binds `service`; the caller closes it. `caller` is told there, see Caller.said.

        :raises UnknownService: no such service, or not ours.
        :raises NoTerminator: nobody binds it now.
        :raises OverlayTimeout: no answer within `timeout_s`.
        :raises OverlayError: anything else.
        """

    def terminators(self, service: str) -> Sequence[str]:
        """Those who bind `service` now, by the names that `dial` takes as `terminator`; () where the overlay chooses.

        Answers at once. :raises UnknownService: no such service, or not ours. :raises OverlayError: anything else.
        """
        return ()

    @abstractmethod
    def bind(self, service: str, *, terminator: str | None = None) -> Listener:
        """Serve `service`; the caller closes the listener. Several may bind one service.

        :raises UnknownService: no such service, or not ours.
        :raises OverlayError: anything else.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the handle back; its listeners close, its streams live on. Idempotent."""

    def health(self) -> Health:
        """Whether the overlay lets this identity in now, as far as it knows; why not. Answers at once."""
        return Health()


class OverlayAdmin(ABC):
    """The administrator's half, used by the controller alone.

    Every call is idempotent: what exists already is adopted, what is gone already counts as deleted. Every object
    is tagged with `instance`, and objects of other instances are never touched. Calls may take seconds and
    switch greenlets. All raise OverlayError.
    """

    @abstractmethod
    def create_environment(self, name: str) -> Identity:
        """A new identity that may bind its shares and dial its accesses."""

    @abstractmethod
    def delete_environment(self, z_id: str) -> None:
        """Take the identity away with all that it may do."""

    def adopt_environment(self, z_id: str) -> None:
        """Let an identity that somebody else made, and whose holder has its key, be as one of `create_environment`.

        :raises UnknownService: there is none, or it must not be taken over.
        """
        raise UnknownService(f"this overlay has no identity {z_id!r} of somebody else's")

    @abstractmethod
    def create_frontend(self, name: str) -> Identity:
        """The identity of a public entrance, which may dial every public share. One name, one identity."""

    @abstractmethod
    def create_controller(self) -> Identity:
        """The identity of this controller, which may dial agents: the same one each time, as long as it stands."""

    @abstractmethod
    def create_agent(self, token: str, env_z_id: str) -> None:
        """A service named `token` that the environment may bind, and controllers alone may dial.

        `list_shares` names it, and `delete_share` takes it away.
        """

    @abstractmethod
    def create_share(self, token: str, env_z_id: str, *, public: bool, config: dict[str, object]) -> None:
        """A service named `token` that the environment may bind and, when public, frontends may dial."""

    @abstractmethod
    def delete_share(self, token: str) -> None:
        """Take the service away."""

    @abstractmethod
    def create_access(self, token: str, share_token: str, env_z_id: str) -> None:
        """Let an environment dial a share. :raises UnknownService: there is no such service."""

    @abstractmethod
    def delete_access(self, token: str, share_token: str) -> None:
        """Take that back: no new stream by it, and those that run end within five seconds."""

    @abstractmethod
    def list_shares(self) -> set[str]:
        """Tokens of this instance's services, for reconciling."""

    @abstractmethod
    def usage(self) -> Iterable[UsageSample]:
        """What went through each share since the last call; empty where the overlay does not count."""


class Overlay(Component):
    """The network."""

    slot = "overlay"
    #: What it cannot give of the contract: "abort" (a peer can tell a broken stream from an ended one), "backpressure",
    #: "half-close", "loss" (a listener notices that its service is gone), "said" (who dials can say who it is),
    #: "unbind" (leaves the network at once).
    lacks: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def node(self, identity: str) -> Node:
        """A handle for the identity document (`Identity.document`). The caller closes it.

        :raises OverlayError: the document cannot be used.
        """

    @abstractmethod
    def admin(self, instance: str) -> OverlayAdmin:
        """The administrator's half, tagging its objects with `instance`. :raises OverlayError: not configured here."""

    def bootstrap(self, instance: str, *, dry_run: bool = False) -> Sequence[Step]:
        """Make what an instance needs on the overlay before anything is shared, where it is missing. Idempotent.

        It and `unbootstrap` also work before `open`, for an operator's command beside a running daemon.
        :raises OverlayError: refused, not reachable, or not configured here.
        """
        return ()

    def unbootstrap(self, instance: str, *, dry_run: bool = False) -> Sequence[Step]:
        """Take away all that an instance has on the overlay: shares, identities and what `bootstrap` made. Idempotent.

        :raises OverlayError: as `bootstrap`; what was taken away stays away.
        """
        return ()
