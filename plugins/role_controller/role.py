"""The controller role: store, overlay admin and services behind the API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import zrokd
from zrokd.api.app import create_app
from zrokd.api.call import Settings as ApiSettings
from zrokd.contracts import Health, OverlayAdmin, Role, Task
from zrokd.errors import RestartNeeded, StoreError, StoreUnfit, Unavailable, ZrokdError
from zrokd.model.account import Credentials, Principal
from zrokd.model.naming import new_token
from zrokd.model.passwords import hash_password
from zrokd.model.units import Address
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.listener import Listener
from zrokd.net.signal import Bell
from zrokd.net.threshold import Threshold
from zrokd.net.wsgi import WsgiHandler
from zrokd.service.directory import StoreDirectory
from zrokd.service.services import Services, make_services
from zrokd.store import migrate
from zrokd.store.database import Store
from zrokd.store.meta import instance_id, note_boot

from .agents import AgentCalls
from .client import client_address
from .company import Company
from .crowd import Crowd
from .declared import bandwidth_of, ensure, limits_of, site_of
from .identify import Identifier
from .mail import Post
from .settings import ControllerSettings

P = ParamSpec("P")
T = TypeVar("T")
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # Source: random(4); another after each start of the machine
_HASHES = 2  # of passwords at a time; more would take the threads that every query needs
_HASH_WAIT_S = 10.0
_AGAIN_S = 5.0  # between two looks at an overlay that does not answer
_USES_EVERY_S = 30.0  # it is kept when tokens were used
_FIXED = ("instance", "auto_migrate", "max_body", "max_connections")


class ControllerRole(Role):
    """Keeps accounts, environments, shares and names; answers the API; tells frontends which name is whose."""

    name = "controller"
    ends_last = True  # it is told the last of what went through shares
    Settings = ControllerSettings
    services: Services  # made by `open`

    _store: Store
    _admin: OverlayAdmin
    _directory: StoreDirectory
    _identifier: Identifier
    _crowd: Crowd
    _threshold: Threshold
    _company: Company | None = None
    _agents: AgentCalls | None = None

    def __init__(self, settings: ControllerSettings, ctx: Any) -> None:
        super().__init__(settings, ctx)
        self._bell = Bell()
        self._worker = new_token()  # this run, as work under way is marked with it
        self._hashing = threading.Semaphore(_HASHES)
        self._handler: WsgiHandler | None = None
        self._listeners: list[Listener] = []  # the last one accepts; those before it end with their connections
        self._reconciling: Task | None = None
        self._post = Post(ctx, settings.mail)
        self._posting: Task | None = None
        self._noting: Task | None = None
        self._limiting: Task | None = None
        self._mending: Task | None = None
        self._trouble = ""  # what the last comparison with the overlay said

    # -- life ---

    def open(self) -> None:
        """The database is up to date and holds what the YAML declares; the API's port is ours."""
        self._store = Store.over(self.ctx.storage, self.ctx.offload)
        self._migrate()
        self._company = company = Company(self._store, self._worker, self._bell, self.ctx.log)
        company.join()
        if self._store.alone:
            self._store.write(note_boot, _BOOT.read_text().strip())
        self._admin = self.ctx.overlay.admin(self.settings.instance or self._store.write(instance_id))
        self._agents = AgentCalls(self._admin, self.ctx, lambda: self.settings.agent_timeout)
        self.services = self._make_services(self.settings)
        self._directory = self.services.directory
        self._identifier = Identifier(lambda: self.ctx.components("auth"), self._directory, self.ctx.log)
        ensure(self.services, self.settings)
        app = create_app(lambda: self.services, self._identify, self._api_settings)
        self._handler = WsgiHandler(app, HttpLimits(body_bytes=self.settings.max_body), log=self.ctx.log)
        self._crowd = Crowd(self._handler, self.settings, lambda: self.active)
        self._threshold = Threshold(self._crowd, self.ctx.offload, self.ctx.log, self._crowd.welcomes)
        self._threshold.change(self.settings.tls, self.settings.proxy_protocol)
        self._listeners.append(self._listen(self.settings.listen))

    def serve(self) -> None:
        """Answer the API, and keep store and overlay equal."""
        self._listeners[-1].start()
        self.ctx.log.info("the API answers on %s://%s", self._threshold.scheme, self.address)
        self._reconciling = self.ctx.spawn(self._reconcile_forever, name="reconciler")
        self._posting = self.ctx.spawn(self._post.run, lambda: self.services.outbox.send, self._leads, name="mail")
        self._noting = self.ctx.spawn(self._note_uses_forever, name="token uses")
        self._limiting = self.ctx.spawn(self._limit_forever, name="limits of bytes")
        self._mending = self.ctx.spawn(self._look_again_forever, name="look at the database")
        if self._company is not None:
            self._company.stay(self.ctx.spawn, lambda: self.settings.beat_every, lambda: self.settings.news_every)

    def drain(self, deadline_s: float) -> None:
        """Close the port, send away who waits for news, let requests end."""
        until = time.monotonic() + deadline_s
        for task in (self._reconciling, self._posting, self._noting, self._limiting, self._mending):
            if task is not None:
                task.kill()
        for listener in self._listeners:
            listener.stop()
        if self._handler is not None:
            self._handler.drain()
        self._bell.retire()  # also for those who are about to wait
        for listener in self._listeners:
            listener.drain(max(0.0, until - time.monotonic()))
        if self._noting is not None:
            self._note_uses()

    def close(self) -> None:
        """Close the port and cut what is left."""
        while self._listeners:
            self._listeners.pop().close()
        if self._agents is not None:
            self._agents.close()
        if self._company is not None:
            self._company.leave()

    def health(self) -> Health:
        """Whether the API is answered and the database takes changes, and how store and overlay compared last."""
        if not self._listeners or not self._listeners[-1].accepting:
            return Health(ok=False, detail="the API is not answered")
        if self._store.trouble:
            return Health(ok=False, detail=f"the database takes no changes: {self._store.trouble}")
        return Health(ok=not self._trouble, detail=self._trouble)

    @property
    def address(self) -> Address:
        """Where the API answers."""
        return self._listeners[-1].address

    @property
    def active(self) -> int:
        """Connections that are open now."""
        return sum(listener.active for listener in self._listeners)

    # -- reload ---

    def reload(self, settings: ControllerSettings) -> None:
        """Take up what is declared, limits, waits, and the port; requests under way are not touched.

        :raises RestartNeeded: a key that is fixed at the start changed.
        :raises ZrokdError: the port is taken, or the store refuses what is declared; the old settings stand.
        """
        fixed = [key for key in _FIXED if getattr(settings, key) != getattr(self.settings, key)]
        if fixed:
            raise RestartNeeded([f"roles.{self.name}.{key}" for key in fixed])
        fresh = self._listen(settings.listen) if settings.listen != self.settings.listen else None
        try:
            self._declare(settings)
        except ZrokdError:
            if fresh is not None:
                fresh.close()
            raise
        self.services = self._make_services(settings)
        self.settings = settings
        self._post.settings = settings.mail
        self._crowd.change(settings)
        self._threshold.change(settings.tls, settings.proxy_protocol)
        if fresh is not None:
            self._move_to(fresh)

    def _declare(self, settings: ControllerSettings) -> None:
        try:
            ensure(self.services, settings)
        except ZrokdError:
            ensure(self.services, self.settings)  # part of it may have been written
            raise

    def _move_to(self, fresh: Listener) -> None:
        self._listeners[-1].stop()
        self._listeners = [old for old in self._listeners if old.active] + [fresh]
        fresh.start()
        self.ctx.log.info("the API answers on %s://%s now", self._threshold.scheme, self.address)

    # -- parts ---

    def _migrate(self) -> None:
        database = self.ctx.storage.database()
        if self.settings.auto_migrate:
            for step in self._store.offload(migrate.upgrade, database):
                self.ctx.log.info("the database was upgraded: %s", step)
        self._store.offload(migrate.check, database)

    def _make_services(self, settings: ControllerSettings) -> Services:
        limits = limits_of(settings.limits)
        ctx = self.ctx
        return make_services(
            self._store,
            self._admin,
            ctx.hooks,
            ctx.clock,
            self._bell,
            limits,
            self._worker,
            site=site_of(settings.sign_up),
            mailbox=self._post,
            hashing=self._in_turn,
            bandwidth=bandwidth_of(settings.limits.bandwidth),
            prove=self._prove,
            agents=self._agents,
        )

    def _listen(self, address: Address) -> Listener:
        sock = self.ctx.listen(address)
        return Listener(
            sock, self._threshold, log=self.ctx.log, limit=self.settings.max_connections, name="the controller's API"
        )

    def _identify(self, credentials: Credentials) -> Principal | None:
        principal = self._identifier(credentials)
        if principal is not None and principal.frontend and principal.frontend not in self.settings.frontends:
            return None  # taken out of the YAML
        return principal

    def _prove(self, credentials: Credentials) -> Principal | None:
        return self._identifier.prove(credentials)  # which is made after the services

    def _api_settings(self) -> ApiSettings:
        settings = self.settings
        return ApiSettings(
            version=f"zrokd {zrokd.__version__}",
            max_wait_s=settings.max_wait,
            hash_password=self._hash_password,
            offload=self.ctx.offload,
            site=site_of(settings.sign_up),
            client_address=partial(client_address, trusted=settings.trusted_proxies),
        )

    def _hash_password(self, password: str) -> str:
        return self._in_turn(hash_password, password)

    def _in_turn(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Offload what hashes a password, `_HASHES` at a time. :raises Unavailable: too many want to."""
        if not self._hashing.acquire(timeout=_HASH_WAIT_S):
            raise Unavailable("too many passwords are being hashed; try again", retry_after_s=_HASH_WAIT_S)
        try:
            return self.ctx.offload(function, *args, **kwargs)
        finally:
            self._hashing.release()

    # -- reconciling ---

    def _leads(self) -> bool:
        return self._company is not None and self._company.leads

    def _reconcile_forever(self) -> None:
        company = self._company
        assert company is not None
        while True:
            called = company.attention.version
            if company.leads:
                self._reconcile()
                self._keep_up()
            else:
                self._trouble = ""
            self._rest(company, called)

    def _rest(self, company: Company, called: int) -> None:
        """Until it is time again, somebody calls, or, while something is wrong, a moment."""
        until = time.monotonic() + self.settings.reconcile_every
        while (left_s := until - time.monotonic()) > 0:
            if company.attention.wait(called, min(left_s, _AGAIN_S)) != called:
                return
            if company.leads and (self._trouble or not self.ctx.overlay.health().ok):
                return

    def _reconcile(self) -> None:
        try:
            actions = self.services.reconciler.reconcile()
        except ZrokdError as error:
            self._note(f"store and overlay cannot be compared: {error}")
        except Exception:  # the next round may fare better, and health tells
            self.ctx.log.exception("comparing store and overlay failed")
            self._trouble = "comparing store and overlay failed; the log has more"
        else:
            for action in actions:
                self.ctx.log.warning("reconciled: %s", action)
            self._trouble = ""

    def _keep_up(self) -> None:
        """Take up what the overlay counted, add up, forget what is too old. The last two whatever the overlay does."""
        self._attempt(self.services.usage.collect, "what the overlay counted cannot be taken up now")
        self._attempt(self._tidy_up, "the controller cannot tidy up now")

    def _attempt(self, work: Callable[[], object], trouble: str) -> None:
        try:
            work()
        except ZrokdError as error:
            self._grumble(trouble, error)
        except Exception:  # the next round may fare better
            self.ctx.log.exception("%s", trouble)

    def _tidy_up(self) -> None:
        self.services.usage.roll_up()
        self.services.usage.prune()
        self.services.registrations.prune()
        self.services.tokens.prune()
        self.services.receipts.prune()
        self.services.trail.prune(self.settings.audit_keep)
        self.services.binds.prune()

    def _limit_forever(self) -> None:
        while True:
            time.sleep(self.settings.limits.check_every)
            if self._leads():
                self._attempt(self._limit, "bytes cannot be compared with their limits now")

    def _limit(self) -> None:
        for verdict in self.services.bandwidth.enforce():
            self.ctx.log.warning("%s", verdict)

    def _note_uses_forever(self) -> None:
        while True:
            time.sleep(_USES_EVERY_S)
            self._note_uses()

    def _note_uses(self) -> None:
        self._attempt(self._directory.keep_uses, "when tokens were used cannot be kept now")

    def _look_again_forever(self) -> None:
        while True:
            time.sleep(_AGAIN_S)
            try:
                self._store.look_again()
            except StoreError as error:
                self.ctx.log.debug("%s", error)  # the store has told it

    def _grumble(self, what: str, error: ZrokdError) -> None:
        if not isinstance(error, StoreUnfit):  # the store tells that, once
            self.ctx.log.warning("%s: %s", what, error)

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            self.ctx.log.warning("%s", trouble)
        self._trouble = trouble
