"""What all shares of a backend have in common: the controller, the environment, the overlay node, the memory."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from zrokd.client.controller import Controller
from zrokd.contracts import Node
from zrokd.errors import Conflict, NotFound, ZrokdError
from zrokd.model.share import Gating, NameSelection, Permission, ShareDraft, ShareMode

from .memory import Memory
from .settings import ShareSettings


@dataclass(frozen=True, slots=True)
class Offer:
    """A share that the controller knows: its token, and where visitors find it (nowhere when private)."""

    token: str
    urls: tuple[str, ...]


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
        self, controller: Controller, z_id: str, node: Node, memory: Memory, link: Link, log: logging.Logger
    ) -> None:
        self.controller, self.z_id, self.node, self.memory, self.link = controller, z_id, node, memory, link
        self._log = log

    def offer(self, key: str, share: ShareSettings) -> Offer:
        """Make sure that the controller knows the share. :raises ZrokdError: what the controller says against it."""
        token, hosts = self._find(key, share) or self._create(share)
        self.link.back()
        self.memory.put(key, token)
        return Offer(token, () if share.private else self._urls(token, hosts))

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
        """End the share at the controller; one that is gone already is forgotten. What goes wrong is logged."""
        token = self.memory.token(key)
        if not token:
            return
        try:
            self.controller.unshare(self.z_id, token)
        except NotFound:
            self._log.debug("share %s was gone already", token)
        except ZrokdError as error:
            self._log.warning("share %s could not be released: %s", token, error)
            return
        self.memory.forget(key)


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
