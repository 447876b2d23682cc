"""What all shares of a backend have in common: the controller, the environment, the overlay node, the memory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass

from zrokd.client.controller import Controller
from zrokd.client.holds import Hold, Holds
from zrokd.contracts import Node
from zrokd.errors import Conflict, NotFound, ZrokdError
from zrokd.model.share import Gating, NameSelection, Permission, ShareDraft, ShareMode

from .memory import Memory
from .settings import ShareSettings

_AT_ONCE = 8  # a controller does four of an account's calls at a time, and what else we tell it waits in that line, too


@dataclass(frozen=True, slots=True)
class Offer:
    """A share that the controller knows: its token, and where visitors find it (nowhere when private)."""

    token: str
    urls: tuple[str, ...]
    hosts: tuple[str, ...]  # their names


class Link:
    """Says once that the controller went away, and once that it is back."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self.away = ""  # why, or ""

    def lost(self, reason: str) -> None:
        """It did not answer."""
        if not self.away:
            self._log.warning("%s; what is shared stays so, and we keep trying", reason)
        self.away = reason

    def back(self) -> None:
        """It answered."""
        if self.away:
            self._log.info("the controller answers again")
        self.away = ""


class Office:
    """Creates, finds again and releases shares. All calls may switch greenlets."""

    def __init__(
        self,
        controller: Controller,
        z_id: str,
        node: Node,
        memory: Memory,
        link: Link,
        holds: Holds,
        log: logging.Logger,
    ) -> None:
        self.controller, self.z_id, self.node, self.memory, self.link = controller, z_id, node, memory, link
        self.holds, self._log = holds, log
        self._room = threading.Semaphore(_AT_ONCE)
        self._left: list[Node] = []  # of environments that ended: what they serve goes on to its end

    def is_gone(self) -> bool:
        """Whether the controller does not know this environment any more. :raises ZrokdError: it does not tell."""
        return self.z_id not in self.controller.environments()

    def move(self, z_id: str, node: Node) -> None:
        """From now on the shares are those of another environment: the one of before was ended."""
        self._left.append(self.node)
        self.z_id, self.node = z_id, node
        self.memory.load(z_id)

    def offer(self, key: str, share: ShareSettings, *, lasts: bool) -> Offer:
        """Make sure that the controller knows the share. `lasts`: whether it stays there when this process dies.

        :raises ZrokdError: what the controller says against it. :raises Conflict: it is required, and another process
            of this host serves it: whose end would take it from us, and ours from them.
        """
        with self._room, self.holds.offering(alone=share.required):
            token, hosts = self._find(key, share) or self._create(share)
            self.link.back()
            if share.required and self.holds.is_served(token):
                raise Conflict("another zrokd of this machine shares it; end that one first")
            self.holds.take(Hold(z_id=self.z_id, share=token, key=key, lasts=lasts))
        self.memory.put(key, token)
        if share.private:
            return Offer(token, (), ())
        return Offer(token, self._urls(token, hosts), hosts)

    def knows(self, token: str) -> bool:
        """Whether the controller still knows a share. :raises ZrokdError: it does not tell."""
        try:
            self.controller.find_share(token)
        except NotFound:
            return False
        return True

    def _find(self, key: str, share: ShareSettings) -> tuple[str, tuple[str, ...]] | None:
        token = "" if share.lasting else self.memory.token(key)
        if not token:
            return None
        try:
            z_id, hosts = self.controller.find_share(token)
        except NotFound:
            return None
        return (token, hosts) if z_id in {"", self.z_id} else None

    def _create(self, share: ShareSettings) -> tuple[str, tuple[str, ...]]:
        draft = draft_of(share, self.z_id)
        try:
            return self.controller.share(draft)
        except (NotFound, Conflict):
            if not share.name or self._holds(share):
                raise
        self.controller.create_name(share.namespace, share.name)
        self._log.info("name %s is reserved in namespace %s", share.name, share.namespace)
        return self.controller.share(draft)

    def _holds(self, share: ShareSettings) -> bool:
        """Whether the name is reserved by this account already: then the controller's no was about something else."""
        return any(held.name == share.name for held in self.controller.list_names(share.namespace))

    def _urls(self, token: str, hosts: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return self.controller.share_urls(token)
        except NotFound:
            return tuple(f"http://{host}" for host in hosts)  # a controller that does not know this call

    def release(self, key: str) -> None:
        """End the share at the controller, unless another process of this host serves it too. Failures are logged."""
        token = self.memory.token(key)
        if not token:
            return
        try:
            self.holds.end(Hold(z_id=self.z_id, share=token))
        except ZrokdError as error:
            self._log.warning("share %s could not be released: %s", token, error)
            return
        self.memory.forget(key)

    def settle(self, but: Collection[str]) -> None:
        """End what processes of this host left behind, except for what has one of these keys. Failures are logged."""
        try:
            for hold in self.holds.settle(self.z_id, but):
                self._log.info("share %s of a process that died is ended", hold.share)
        except ZrokdError as error:
            self._log.warning("what processes that died left behind could not be ended: %s", error)

    def close(self) -> None:
        """Let go of everything. Idempotent."""
        for node in (*self._left, self.node):
            node.close()
        self.holds.close()
        self.controller.close()


def draft_of(share: ShareSettings, z_id: str) -> ShareDraft:
    """What the controller is asked for."""
    return ShareDraft(
        env_z_id=z_id,
        share_mode=ShareMode.PRIVATE if share.private else ShareMode.PUBLIC,
        mode=share.use.use,
        target=str(getattr(share.use.settings, "target", "")),
        selections=() if share.private else (NameSelection(namespace=share.namespace, name=share.name),),
        token=share.token,
        gating=_gating(share),
        permission=Permission(share.permission),
        grants=tuple(share.grants),
    )


def _gating(share: ShareSettings) -> Gating:
    if not share.basic_auth:
        return Gating(gate=share.gate)
    pairs = [user.reveal().partition(":") for user in share.basic_auth]
    return Gating(gate="basic", config={"users": [{"username": name, "password": word} for name, _, word in pairs]})
