"""The names of public shares and the identity to reach them: from the controller, and from disk while it is away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from zrokd.client.backoff import Backoff
from zrokd.client.files import read_json, write_json
from zrokd.contracts import Context, Health, Node, Task
from zrokd.errors import OverlayError, StartError
from zrokd.model.environment import Identity
from zrokd.model.naming import MappingChanges
from zrokd.net.signal import Bell
from zrokd.proxy import snapshot
from zrokd.proxy.feed import Feed
from zrokd.proxy.mapping import MappingTable, Tokens

_SETTLE_S = 1.0  # many changes in a row are written once
_RARELY_S = 3600.0
_LAST_WRITE_S = 10.0


class Source(Protocol):
    """What a frontend asks its controller."""

    def mappings(self, epoch: str, since: int, wait_s: float) -> MappingChanges:
        """See zrokd.proxy.feed.Source."""

    def identity(self) -> Identity:
        """The overlay identity of this frontend. :raises ZrokdError: no answer, or a refusal."""


class OwnNode:
    """This frontend's handle on the overlay, made from an identity that is kept on disk (0600)."""

    def __init__(self, ctx: Context) -> None:
        self._ctx, self._path = ctx, ctx.state_dir / "identity.json"
        self._identity: Identity | None = None
        self._node: Node | None = None

    @property
    def known(self) -> bool:
        """Whether anything can be dialled."""
        return self._node is not None

    def recall(self) -> None:
        """Take up the identity kept on disk, if there is one that can be used."""
        try:
            document = read_json(self._path)
            if document:
                self._take(Identity(z_id=str(document["z_id"]), document=str(document["document"])))
        except (StartError, OverlayError, KeyError) as error:
            self._ctx.log.warning(
                "the identity kept in %s cannot be used, so a new one is asked for: %s", self._path, error
            )

    def take(self, identity: Identity) -> None:
        """Take up an identity, and keep it. :raises OverlayError: the overlay does not take it; the old one stays."""
        if identity == self._identity:
            return
        self._take(identity)
        try:
            write_json(self._path, {"z_id": identity.z_id, "document": identity.document})
        except StartError as error:
            self._ctx.log.warning("%s", error)

    def get(self) -> Node:
        """The handle. :raises OverlayError: we have no identity yet."""
        if self._node is None:
            raise OverlayError("this frontend has no overlay identity yet")
        return self._node

    def health(self) -> Health:
        """Whether the overlay lets us in, as far as it knows."""
        return Health(ok=False) if self._node is None else self._node.health()

    def close(self) -> None:
        """Give the handle back. Idempotent."""
        node, self._node = self._node, None
        if node:
            node.close()

    def _take(self, identity: Identity) -> None:
        node = self._ctx.overlay.node(identity.document)
        self.close()
        self._identity, self._node = identity, node


class Names:
    """A mapping table that follows the controller, with the identity that can dial what it maps to."""

    def __init__(self, source: Source, ctx: Context) -> None:
        self.table, self.node = MappingTable(), OwnNode(ctx)
        self.on_gone: Callable[[Tokens], None] = _ignore  # told of shares that went away; must not switch greenlets
        self._source, self._ctx = source, ctx
        self._path, self._changed = ctx.state_dir / "names.json", Bell()
        self._identified = False
        self._closing = Bell()
        self._feeding: Task | None = None
        self._keeping: Task | None = None
        self.feed = Feed(
            self, self.table, Backoff(), on_changed=self._on_changed, log=ctx.log, clock=ctx.clock.monotonic
        )

    def start(self) -> None:
        """Take up what is on disk, and follow the controller from then on.

        Switches greenlets, and never waits for the controller.
        """
        kept = self._ctx.offload(snapshot.load, self._path, self._ctx.log)
        if kept:
            self.table.replace(kept)
        self.node.recall()
        self._feeding = self._ctx.spawn(self.feed.run, name="names")
        self._keeping = self._ctx.spawn(self._keep, name="names on disk")

    def health(self) -> Health:
        """Whether shares can be found and dialled; the detail says what we know and since when."""
        away = self.feed.away
        if not self.table.loaded or not self.node.known:
            return Health(ok=False, detail=away or "nothing was heard from the controller yet")
        overlay = self.node.health()
        if not overlay.ok:
            return Health(ok=False, detail=f"new streams cannot be dialled now: {overlay.detail}")
        if away:
            age_s = self.feed.age_s
            since = "from disk" if age_s is None else f"{age_s:.0f} s old"
            return Health(detail=f"{away}; serving {self._count()}, {since}")
        return Health(detail=self._count())

    def stop(self) -> None:
        """Follow the controller no more; what is known stays. Idempotent. Switches greenlets."""
        feeding, self._feeding = self._feeding, None
        if feeding:
            feeding.kill()

    def close(self) -> None:
        """Stop following, keep what is not on disk yet, give the overlay handle back. Switches greenlets."""
        self.stop()
        keeping, self._keeping = self._keeping, None
        if keeping:
            self._closing.ring()
            self._changed.ring()
            keeping.join(_LAST_WRITE_S)  # not killed: a write that began in a thread goes on there
        self.node.close()

    def mappings(self, epoch: str, since: int, wait_s: float) -> MappingChanges:
        """The controller's answer, after making sure that it knows us and we have the identity it gave us."""
        if not self._identified:
            self.node.take(self._source.identity())
            self._identified = True
        changes = self._source.mappings(epoch, since, wait_s)
        while changes.next:  # a part of the names would hide the others
            changes = changes.followed_by(self._source.mappings(changes.next, since, 0.0))
        self._identified = changes.epoch == epoch or not epoch  # another store may have given us another identity
        return changes

    def _count(self) -> str:
        count = len(self.table)
        return f"{count} name{'' if count == 1 else 's'}"

    def _on_changed(self, gone: Tokens) -> None:
        self._changed.ring()
        self.on_gone(gone)

    def _keep(self) -> None:
        saved, closing = 0, False
        while not closing:
            closing = bool(self._closing.version)
            version = self._changed.version if closing else self._changed.wait(saved, _RARELY_S)
            if version != saved and self.table.loaded:
                saved = version
                self._ctx.offload(snapshot.save, self._path, self.table.snapshot(), self._ctx.log)
            self._closing.wait(0, _SETTLE_S)


def _ignore(_gone: Tokens) -> None:
    return
