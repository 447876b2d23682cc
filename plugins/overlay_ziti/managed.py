"""No network yet: the overlay runs one of its own, the `ziti` program as controller and as edge router.

All of it stands in one folder of the state: certificates, database, the first administrator's password. The two
processes end with us, however we end, and are started again when they end by themselves.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import gevent
from urllib3.exceptions import HTTPError

from zrokd.contracts import Context, Health
from zrokd.errors import StartError
from zrokd.model.units import Address, Secret
from zrokd.net.calls import Calls

from .authority import RENEW_DAYS, Authority, certificate_of, names_of, write
from .machinery import controller_file, host_port, make_room, reached_at, router_file
from .program import Program
from .settings import ManagedSettings
from .supervised import Patience, Supervised
from .told import ToldAddress

USERNAME = "admin"
_FREE_WITHIN_S = 3.0  # a port of processes that have just been killed
_ASK_S = 5.0


class Api(Protocol):
    """The management API, as far as a network is founded with it."""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """`data` of the answer. :raises OverlayError:"""

    def list(self, path: str, filter: str = "") -> list[dict[str, Any]]:  # noqa: A002
        """Every object that fits. :raises OverlayError:"""

    def close(self) -> None:
        """Close its connections."""


Connect = Callable[[str, str, Secret, str], Api]  # of URL, username, password, PEM of the root


class ManagedNetwork:
    """The network of our own. `open` founds it at the first start; `close` ends it, state kept."""

    def __init__(self, settings: ManagedSettings, ctx: Context) -> None:
        self._settings, self._ctx = settings, ctx
        self.folder = ctx.state_dir / "network"
        self._authority = Authority(self.folder / "pki")
        self._told = ToldAddress(self.folder)
        self._parts: list[Supervised] = []
        self.username = USERNAME

    # -- what it is ---

    @property
    def url(self) -> str:
        """https://host:port of the controller, as this machine reaches it."""
        address = self._settings.controller
        return f"https://{host_port(reached_at(address.host), address.port)}"

    @property
    def advertised_url(self) -> str:
        """The same, as others reach it."""
        return f"https://{self._advertised(self._settings.controller)}"

    @property
    def ca(self) -> str:
        """PEM of the network's root."""
        return self._authority.ca.read_text()

    @property
    def password(self) -> Secret:
        """The administrator's. :raises StartError: it was lost, and cannot be found out."""
        try:
            return Secret((self.folder / "password").read_text().strip())
        except FileNotFoundError:
            raise StartError(f"{self.folder / 'password'} is gone, but the network's database is there") from None

    def health(self) -> Health:
        """Whether both processes run and work."""
        return next((health for part in self._parts if not (health := part.health()).ok), Health())

    def pids(self) -> dict[str, int]:
        """Process ids by part; 0: away."""
        return {part.part: part.pid for part in self._parts}

    # -- life ---

    def open(self, connect: Connect) -> None:
        """Controller and router run, and the router is online.

        Switches greenlets; some seconds at the first start, about one later. :raises StartError: with what is missing.
        """
        settings = self._settings
        program = Program(self._binary(), self.folder)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        program.version()
        self._check_address()
        controller = self._part("controller", program, self._controller_answers)
        router = self._part("router", program, self._router_listens)
        for part, address in ((controller, settings.controller), (router, settings.router)):
            part.end_stale()
            _check_free(part.part, address)
        self._found(program)
        self._parts = [router, controller]  # in the order of their end
        controller.start()
        with closing(connect(self.url, self.username, self.password, self.ca)) as api:
            _let_all_use_routers(api)
            self._enrol_router(program, api)
            router.start()
            self._await_online(api)
        self._ctx.log.info("the network %s is up: controller %s", settings.network, self.url)

    def close(self) -> None:
        """End both; they are gone when this returns. Idempotent. Switches greenlets."""
        for part in self._parts:
            part.close()
        self._parts = []

    # -- inside ---

    def _binary(self) -> Path:
        found = shutil.which(self._settings.binary)
        if found is None:
            raise StartError(
                f"overlay.managed.binary: there is no program {self._settings.binary!r};"
                " docs/ziti.md says where to get ziti"
            )
        return Path(found).absolute()

    @property
    def _database(self) -> Path:
        return self.folder / "ctrl.db"

    def _part(self, name: str, program: Program, ready: Callable[[], bool]) -> Supervised:
        settings, config = self._settings, self.folder / f"{name}.json"
        patience = Patience(
            start_s=settings.start_timeout,
            stop_s=settings.stop_timeout,
            first_pause_s=settings.restart_pause,
            longest_pause_s=settings.longest_pause,
            check_s=settings.check_every,
            hang_s=settings.hang_limit,
        )
        return Supervised(name, program, config, self._ctx, ready=ready, patience=patience)

    def _names(self, address: Address) -> list[str]:
        """What stands in the certificates: also what only this machine uses."""
        return sorted({*self._settings.names, reached_at(address.host), "localhost"})

    def _advertised(self, address: Address) -> str:
        return host_port((*self._settings.names, address.host)[0], address.port)

    def _check_address(self) -> None:
        controller = self._settings.controller
        if self._database.exists():
            self._told.check(self._advertised(controller), self._names(controller))

    def _found(self, program: Program) -> None:
        """Certificates, configuration and database, as far as they are missing."""
        settings, database = self._settings, self._database
        if self._authority.ensure(settings.network, self._names(settings.controller)):
            self._ctx.log.info("made certificates for %s", ", ".join(self._names(settings.controller)))
        if not database.exists():
            write(self.folder / "password", secrets.token_urlsafe(32).encode() + b"\n", 0o600)
            half_made = self.folder / "ctrl.db.new"
            half_made.unlink(missing_ok=True)
            self._write_controller(half_made)
            program.make_admin(self.folder / "controller.json", self.username, self.password.reveal())
            self._told.forget()
            half_made.replace(database)
        self._told.keep(self._advertised(settings.controller))
        make_room(database)
        self._write_controller(database)

    def _write_controller(self, database: Path) -> None:
        address = self._settings.controller
        bind, advertise = host_port(address.host, address.port), self._advertised(address)
        content = controller_file(self._authority, database, bind=bind, advertise=advertise)
        write(self.folder / "controller.json", json.dumps(content, indent=1).encode(), 0o600)

    def _enrol_router(self, program: Program, api: Api) -> None:
        """The router's configuration, and its certificates where it has none that fit and last."""
        address, folder = self._settings.router, self.folder / "router"
        folder.mkdir(mode=0o700, exist_ok=True)
        content = router_file(
            folder,
            controller=host_port(reached_at(self._settings.controller.host), self._settings.controller.port),
            bind=host_port(address.host, address.port),
            advertise=self._advertised(address),
            names=self._names(address),
        )
        self._told.renew_router()
        config = self.folder / "router.json"
        write(config, json.dumps(content, indent=1).encode(), 0o600)
        known = api.list("/edge-routers", f'name="{self._settings.network}"')
        if known and self._router_is_enrolled(folder, known[0]):
            return
        with self._router_token(api, known) as token:
            program.enrol_router(config, token)
        self._ctx.log.info("the router %s is enrolled", self._settings.network)

    def _router_is_enrolled(self, folder: Path, known: dict[str, Any]) -> bool:
        server = folder / "server.pem"
        if not (known["isVerified"] and server.exists() and (folder / "key.pem").exists()):
            return False
        leaf = certificate_of(server)
        lasts = leaf.not_valid_after_utc > dt.datetime.now(dt.UTC) + dt.timedelta(days=RENEW_DAYS / 2)
        return lasts and names_of(leaf) == {*self._names(self._settings.router)}

    @contextmanager
    def _router_token(self, api: Api, known: list[dict[str, Any]]) -> Iterator[Path]:
        if known:
            router = known[0]["id"]
            api.call("POST", f"/edge-routers/{router}/re-enroll", {})
        else:
            body = {"name": self._settings.network, "roleAttributes": ["public"], "isTunnelerEnabled": False}
            router = api.call("POST", "/edge-routers", body)["id"]
        token = self.folder / "router.jwt"
        write(token, api.call("GET", f"/edge-routers/{router}")["enrollmentJwt"].encode(), 0o600)
        try:
            yield token
        finally:
            token.unlink()

    def _await_online(self, api: Api) -> None:
        until = self._ctx.clock.monotonic() + self._settings.start_timeout
        while not api.list("/edge-routers", f'name="{self._settings.network}"')[0]["isOnline"]:
            if self._ctx.clock.monotonic() > until:
                raise StartError(
                    f"the managed router runs, but is not online within {self._settings.start_timeout:g} s"
                )
            gevent.sleep(0.05)

    def _controller_answers(self) -> bool:
        place = f"{self.url}/edge/client/v1/version"
        with (
            Calls(verify=str(self._authority.ca), direct=True) as calls,
            suppress(HTTPError),
            calls.open("GET", place, connect_s=_ASK_S, read_s=_ASK_S) as answer,
        ):
            return answer.status < 400
        return False

    def _router_listens(self) -> bool:
        address = self._settings.router
        with suppress(OSError), socket.create_connection((reached_at(address.host), address.port), _ASK_S):
            return True
        return False


def _let_all_use_routers(api: Api) -> None:
    """Every identity and every service may use every router: the policies of a network that is for one thing."""
    for path, roles in (("/edge-router-policies", "identityRoles"), ("/service-edge-router-policies", "serviceRoles")):
        if not api.list(path, 'name="everybody"'):
            body = {"name": "everybody", "semantic": "AnyOf", "edgeRouterRoles": ["#all"], roles: ["#all"]}
            api.call("POST", path, body)


def _check_free(part: str, address: Address) -> None:
    """:raises StartError: somebody else listens there."""
    with gevent.Timeout(_FREE_WITHIN_S, False):
        while not _is_free(address):
            gevent.sleep(0.1)
        return
    raise StartError(f"overlay.managed.{part}: {address} is taken by another program, or is no address of this machine")


def _is_free(address: Address) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address.host, address.port))
        except OSError:
            return False
        return True
