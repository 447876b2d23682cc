"""What an agent does: shares and opens what it is told, and does so again after a restart."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import zrokd
from zrokd.client.access import Access
from zrokd.client.grants import Grants
from zrokd.contracts import ACCESS, Context, Stream
from zrokd.errors import Conflict, Invalid, NotFound, Unavailable, ZrokdError
from zrokd.model import agent as told
from zrokd.model.naming import new_token

from .checkup import check_up
from .office import Offer, Office
from .opened import open_access
from .orders import AccessOrder, Orders, addresses_of, share_of
from .report import label_of, status_of
from .settings import ShareSettings
from .supervisor import State, Supervisor

_ORDER_S = 20.0  # for a share to be there
_GIVE_BACK_S = 2.0  # at the end, for a call to a controller that is silent


class Shares(Protocol):
    """What the backend does for its agent."""

    supervisors: dict[str, Supervisor]

    def begin(self, key: str, share: ShareSettings) -> Supervisor:
        """Share something. :raises ZrokdError: its mode cannot be opened."""

    def end(self, key: str) -> None:
        """End a share, also at the controller; its connections go on for a while. Idempotent."""

    def renew(self, z_id: str) -> bool:
        """Enable this host again when somebody ended its environment; whether there is another one now."""


class Keeper:
    """Carries out one order at a time. Everything it does may switch greenlets."""

    def __init__(self, shares: Shares, office: Office, grants: Grants, ctx: Context, *, most: int) -> None:
        """`most`: how many connections an access takes at once."""
        self._shares, self._office, self._grants, self._ctx, self._most = shares, office, grants, ctx, most
        self._log: logging.Logger = ctx.log
        self._orders = Orders(ctx.state_dir / "orders.json", ctx.offload, ctx.log)
        self._accesses: dict[str, Access] = {}
        self._turn = threading.Lock()
        self._done: dict[type, Callable[[Any], object]] = {
            told.VersionRequest: lambda _: told.VersionResponse(v=f"zrokd {zrokd.__version__}"),
            told.StatusRequest: lambda _: status_of(self._shares.supervisors, self._accesses),
            told.SharePublicRequest: self._share,
            told.SharePrivateRequest: self._share,
            told.ReleaseShareRequest: self._unshare,
            told.AccessPrivateRequest: self._open,
            told.ReleaseAccessRequest: self._close,
            told.ShareHttpHealthcheckRequest: self._check_up,
        }

    def do(self, order: Any) -> object:
        """The answer to a request of `zrokd.model.agent`. :raises ZrokdError: why it is not done."""
        return self._done[type(order)](order)

    # -- life ---

    def resume(self) -> set[str]:
        """Share and open again what was told before; keys of the shares among it."""
        self._orders.load(self._office.z_id)
        for key, share in self._orders.shares.items():
            self._again(self._share_again, key, share)
        for key, order in self._orders.accesses.items():
            self._again(self._open_again, key, order)
        return set(self._orders.shares)

    def renew(self, z_id: str) -> bool:
        """Whether there is another environment now that `z_id` was ended."""
        return self._shares.renew(z_id)

    def follow(self, z_id: str) -> None:
        """What was told is done in this environment from now on; its supervisors see to the shares. Idempotent."""
        with self._turn:
            if z_id == self._orders.z_id:
                return
            while self._accesses:
                self._accesses.popitem()[1].close()
            self._grants.move(z_id)
            self._orders.move(z_id)
            for key, order in list(self._orders.accesses.items()):
                self._again(self._open_again, key, order)

    @property
    def active(self) -> int:
        """Connections through accesses."""
        return sum(access.active for access in self._accesses.values())

    def stop(self) -> None:
        """Take no more connections. Idempotent."""
        for access in self._accesses.values():
            access.stop()

    def drain(self, deadline_s: float) -> None:
        """After `stop`: let connections end, `deadline_s` seconds at most."""
        until = time.monotonic() + deadline_s
        for access in self._accesses.values():
            access.drain(max(0.0, until - time.monotonic()))
        if self._accesses and not self._ctx.spawn(self._give_back, name="accesses").join(_GIVE_BACK_S):
            self._log.warning(
                "the controller did not take the agent's accesses back in time; the next start sees to them"
            )

    def _give_back(self) -> None:
        """What was opened is opened again at the next start, with another token."""
        for access in self._accesses.values():
            access.give_back()

    def close(self) -> None:
        """Cut what is left. Idempotent."""
        for access in self._accesses.values():
            access.close()
        self._grants.close()

    def _again(self, begin: Callable[[str, dict[str, Any]], None], key: str, order: dict[str, Any]) -> None:
        try:
            begin(key, order)
        except ZrokdError as error:
            self._log.error("what this host's agent was told before is not done: %s", error)

    def _share_again(self, key: str, share: dict[str, Any]) -> None:
        self._shares.begin(key, self._ctx.read(ShareSettings, share))

    def _open_again(self, key: str, order: dict[str, Any]) -> None:
        asked = told.AccessPrivateRequest(token=str(order.get("share")), bind_address=str(order.get("listen")))
        access = self._accesses[key] = self._accessing(asked)
        access.start(lambda error: self._log.error("%s", error))

    # -- shares ---

    def _share(
        self, order: told.SharePublicRequest | told.SharePrivateRequest
    ) -> told.SharePublicResponse | told.SharePrivateResponse:
        share = share_of(order)
        settings = self._ctx.read(ShareSettings, share)
        with self._turn:
            self._refuse_double(settings)
            key = f"agent:{new_token()}"
            self._orders.add_share(key, share)
            try:
                offer = _offered(self._shares.begin(key, settings))
            except BaseException:
                self._orders.remove(key)
                self._shares.end(key)
                raise
        self._log.info("%s was ordered, and is there: %s", settings.title, offer.token)
        if isinstance(order, told.SharePrivateRequest):
            return told.SharePrivateResponse(token=offer.token)
        return told.SharePublicResponse(token=offer.token, frontend_endpoints=offer.hosts)

    def _refuse_double(self, share: ShareSettings) -> None:
        """A name or token that this backend serves would be found again at the controller, and be served twice."""
        every = [one.share for one in self._shares.supervisors.values()]
        if share.lasting and any(one.key == share.key for one in every):
            raise Conflict(f"{share.title} is shared by this host already")

    def _unshare(self, order: told.ReleaseShareRequest) -> told.ReleaseShareResponse:
        with self._turn:
            key = self._key_of(order.token)
            if key not in self._orders.shares:
                raise Invalid(f"share {order.token} stands in the configuration of its host, and is ended there")
            self._orders.remove(key)
            self._shares.end(key)
        self._log.info("share %s was ordered to end", order.token)
        return told.ReleaseShareResponse()

    def _key_of(self, token: str) -> str:
        """:raises NotFound: no share of this backend has the token."""
        for key, supervisor in self._shares.supervisors.items():
            if token and token in (supervisor.offer.token if supervisor.offer else "", label_of(key)):
                return key
        raise NotFound(f"this host shares no {token[:64]!r}")

    def _check_up(self, order: told.ShareHttpHealthcheckRequest) -> told.ShareHttpHealthcheckResponse:
        return check_up(self._shares.supervisors[self._key_of(order.token)].mode, order, self._ctx.spawn)

    # -- accesses ---

    def _open(self, order: told.AccessPrivateRequest) -> told.AccessPrivateResponse:
        if not order.token:
            raise Invalid("token is missing: which share is to be opened?")
        with self._turn:
            access = self._accessing(order)
            key, place = f"agent:{new_token()}", access.settings.listen
            try:
                access.ask()
                self._orders.add_access(key, AccessOrder(share=order.token, listen=place))
            except BaseException:
                access.close()
                raise
            self._accesses[key] = access
        self._log.info("share %s was ordered to be opened on %s", order.token, access.address)
        return told.AccessPrivateResponse(frontend_token=access.token)

    def _accessing(self, order: told.AccessPrivateRequest) -> Access:
        places = addresses_of(order)
        return open_access(order.token, places, self._grants, self._dial, self._ctx, most=self._most)

    def _close(self, order: told.ReleaseAccessRequest) -> told.ReleaseAccessResponse:
        wanted = order.frontend_token
        with self._turn:
            for key, access in self._accesses.items():
                if wanted and wanted in (access.token, label_of(key)):
                    break
            else:
                raise NotFound(f"this host has no access {wanted[:64]!r}")
            del self._accesses[key]
            self._orders.remove(key)
            access.close()
        self._log.info("the access to share %s was ordered to end", access.settings.share)
        return told.ReleaseAccessResponse()

    def _dial(self, share: str) -> Stream:
        return self._office.node.dial(share, caller=ACCESS)


def _offered(supervisor: Supervisor) -> Offer:
    """What the controller made of it. :raises ZrokdError: why it is not there."""
    if not supervisor.tried.wait(_ORDER_S):
        raise Unavailable(f"{supervisor.share.title} was not there within {_ORDER_S:g} s")
    if supervisor.state is not State.BOUND or supervisor.offer is None:
        raise (supervisor.failure or Unavailable)(supervisor.reason)
    return supervisor.offer
