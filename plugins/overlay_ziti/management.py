"""The management API of the network's controllers: what an administrator may make and take away."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gevent.lock import BoundedSemaphore

from zrokd.errors import OverlayError

from .api import Api, Refused, quoted
from .identity import make_context
from .settings import AdminSettings
from .web import Web

_BASE = "/edge/management/v1"
_FABRIC = "/fabric/v1"
_AT_ONCE = 8  # changes under way; the controller's own queue is short
_PAGE = 500
_PATIENCE_S = 15.0  # with one request; the controller's own limit is 10 s


class Management:
    """Calls as an administrator. Any greenlet may call; all may switch greenlets and raise OverlayError."""

    def __init__(
        self,
        urls: tuple[str, ...],
        ca: str,
        admin: AdminSettings,
        *,
        log: logging.Logger,
        advertised: tuple[str, ...] = (),
    ) -> None:
        self.advertised = advertised or urls  # where others reach these controllers
        self.web = Web(urls, _context(ca, admin), timeout_s=_PATIENCE_S)
        self._api = Api(
            self.web,
            _BASE,
            lambda: _login(admin),
            words="the network's controller does not take our administrator's credentials; look at overlay.admin",
            log=log,
        )
        self._room = BoundedSemaphore(_AT_ONCE)

    @property
    def trouble(self) -> str:
        """What is wrong with us or the controllers, as of the last call."""
        return self._api.trouble

    @property
    def away(self) -> bool:
        """Whether no controller answered the last call."""
        return bool(self.web.trouble)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """`data` of the answer. :raises Refused: the controller says no."""
        if method == "GET":
            return self._api.call(method, path, body)
        with self._room:
            return self._api.call(method, path, body)

    def list(self, path: str, filter: str = "", base: str = "") -> list[dict[str, Any]]:  # noqa: A002 - the API's word
        """All objects that fit."""
        found: list[dict[str, Any]] = []
        while True:
            query: dict[str, str | int] = {
                "limit": _PAGE,
                "offset": len(found),
                **({"filter": filter} if filter else {}),
            }
            page = self._api.answer("GET", path, query=query, base=base).get("data") or []
            found += page
            if len(page) < _PAGE:
                return found

    def find(self, kind: str, **wanted: str) -> Iterator[dict[str, Any]]:
        """Objects of a kind (`services`, ...) whose fields are as wanted; `tag_X` is tag X.

        The controller looks at every object of that kind, one after the other, and knows no shorter way to any field.
        """
        return iter(self.list(f"/{kind}", _words(wanted)))

    def first(self, kind: str, **wanted: str) -> dict[str, Any] | None:
        """The first of `find`, or None."""
        return next(self.find(kind, **wanted), None)

    def get(self, kind: str, id_: str) -> dict[str, Any]:
        """One object. :raises Refused: there is none."""
        found: dict[str, Any] = self.call("GET", _path(kind, id_))
        return found

    def known(self, kind: str, id_: str) -> dict[str, Any] | None:
        """One object, or None."""
        with _absent_is_fine():
            return self.get(kind, id_) if id_ else None
        return None

    def create(self, kind: str, **fields: Any) -> str:
        """The id of a new object. :raises Refused: with `taken` when its name is another's."""
        return str(self.call("POST", f"/{kind}", fields)["id"])

    def patch(self, kind: str, id_: str, **fields: Any) -> None:
        """Change fields of an object."""
        self.call("PATCH", _path(kind, id_), fields)

    def delete(self, kind: str, id_: str) -> None:
        """Take an object away. Idempotent."""
        with _absent_is_fine():
            self.call("DELETE", _path(kind, id_))

    def related(self, kind: str, id_: str, other: str, **wanted: str) -> Sequence[dict[str, Any]]:
        """Objects of another kind that an object has to do with, of those the ones as wanted; none without the object.

        The controller follows links here, and looks at nothing else.
        """
        with _absent_is_fine():
            return self.list(f"{_path(kind, id_)}/{other}", _words(wanted))
        return []

    def end_circuits(self, service_id: str, z_id: str) -> int:
        """End what an identity has open to a service, at once; how many."""
        found = self.list("/circuits", f"service={quoted(service_id)}", _FABRIC)
        theirs = [each for each in found if (each.get("tags") or {}).get("clientId") == z_id]
        for circuit in theirs:
            with self._room, _absent_is_fine():
                self._api.answer("DELETE", f"/circuits/{circuit['id']}", {"immediate": True}, base=_FABRIC)
        return len(theirs)

    def close(self) -> None:
        """Close the connections. The API session ends by itself. Idempotent."""
        self.web.close()


@contextmanager
def _absent_is_fine() -> Iterator[None]:
    try:
        yield
    except Refused as error:
        if not error.absent:
            raise


def _path(kind: str, id_: str) -> str:
    return f"/{kind}/{quote(id_, safe='')}"


def _words(wanted: Mapping[str, str]) -> str:
    return " and ".join(f"{_field(name)}={quoted(value)}" for name, value in wanted.items())


def _field(name: str) -> str:
    return f"tags.{name.removeprefix('tag_')}" if name.startswith("tag_") else name


def _login(admin: AdminSettings) -> tuple[str, Mapping[str, Any]]:
    if admin.password is None:
        return "method=cert", {}
    return "method=password", {"username": admin.username, "password": admin.password.reveal()}


def _context(ca: str, admin: AdminSettings) -> ssl.SSLContext:
    if not ca:
        return ssl.create_default_context()
    try:
        cert, key = (Path(path).read_text() if path else "" for path in (admin.cert, admin.key))
    except OSError as error:
        raise OverlayError(f"{error.filename} cannot be read: {error.strerror}") from error
    return make_context(ca, cert, key)
