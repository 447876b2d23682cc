"""What an agent is told, in the words of the YAML; and what it has been told so far, kept over restarts."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zrokd.client.files import read_json, write_json
from zrokd.errors import Invalid, StartError, ZrokdError
from zrokd.model.agent import AccessPrivateRequest, SharePrivateRequest, SharePublicRequest
from zrokd.model.units import Address, parse_address
from zrokd.wire.modes import mode_from_wire

_VERSION = 1
_MOST = 200  # of each kind
_MOST_BYTES = 1 << 19  # of all of them: half of what such a file may have
_HOST, _PORT, _FIRST_PORT, _LAST_PORT = "127.0.0.1", 9191, 8080, 8888  # Source: zrok's `access private`


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessOrder:
    """A private share to be opened here. See `zrokd.client.access.Wish`."""

    share: str
    listen: Address
    description: str = "opened by the agent"
    http: bool | None = None
    required: bool = False


def share_of(order: SharePublicRequest | SharePrivateRequest) -> dict[str, Any]:
    """A share as a backend's YAML has it. :raises Invalid: it is none that a backend has."""
    mode: dict[str, Any] = {"use": mode_from_wire(order.backend_mode or "proxy")}
    mode |= {"target": order.target} if order.target else {}
    mode |= {"insecure": True} if order.insecure else {}
    if isinstance(order, SharePublicRequest):
        return {"mode": mode, **_public(order)}
    share = {"private": True, "permission": "closed" if order.closed else "open", "grants": list(order.access_grants)}
    return {"mode": mode, **share, **({"token": order.private_share_token} if order.private_share_token else {})}


def _public(order: SharePublicRequest) -> dict[str, Any]:
    if order.oauth_provider or order.oauth_email_domains:
        raise Invalid("oauth is not offered; put a gate of the frontend's before the share in the YAML of its backend")
    if len(order.name_selections) > 1:
        raise Invalid("one name for one share; share the target a second time for a second name")
    share: dict[str, Any] = {"basic_auth": list(order.basic_auth)}
    for selection in order.name_selections:
        share |= {"namespace": selection.namespace_token, "name": selection.name}
    return share


def addresses_of(order: AccessPrivateRequest) -> list[Address]:
    """Where an access may listen, best place first. :raises Invalid: nowhere."""
    if order.response_headers:
        raise Invalid("fields are not added to answers here; leave responseHeaders out")
    host, port = order.auto_address or _HOST, order.bind_address or f"{_HOST}:{_PORT}"
    first, last = order.auto_start_port or _FIRST_PORT, order.auto_end_port or _LAST_PORT
    if order.auto_mode and not 0 < first <= last <= 65535:
        raise Invalid(f"from port {first} to port {last} there is none")
    try:
        return [Address(host=host, port=one) for one in range(first, last + 1)] if order.auto_mode else [_address(port)]
    except ValueError as error:
        raise Invalid(str(error)) from error


def _address(text: str) -> Address:
    address = parse_address(text)
    if address.path:
        raise Invalid("an access that an agent opens listens on a port")
    return address


class Orders:
    """`orders.json`: id -> share or access, for one environment. Reading and writing switch greenlets."""

    def __init__(self, path: Path, offload: Callable[..., Any], log: logging.Logger) -> None:
        self._path, self._offload, self._log = path, offload, log
        self._writing = threading.Lock()
        self.z_id = ""
        self.shares: dict[str, dict[str, Any]] = {}
        self.accesses: dict[str, dict[str, Any]] = {}

    def load(self, z_id: str) -> None:
        """What was told in this environment before. What a damaged file holds is forgotten, and that is logged."""
        self.z_id, self.shares, self.accesses = z_id, {}, {}
        try:
            kept = self._offload(read_json, self._path) or {}
        except StartError as error:
            self._log.warning("%s; what this agent was told before is not shared", error)
            return
        if kept.get("version") == _VERSION and kept.get("z_id") == z_id:
            self.shares, self.accesses = _objects(kept.get("shares")), _objects(kept.get("accesses"))

    def move(self, z_id: str) -> None:
        """They are those of another environment now. A disk that does not take that is logged."""
        self.z_id = z_id
        self._keep()

    def add_share(self, key: str, share: dict[str, Any]) -> None:
        """It is to be there after a restart, too. :raises Invalid: too many. :raises StartError: it cannot be kept."""
        self._add(self.shares, key, share)

    def add_access(self, key: str, order: AccessOrder) -> None:
        """As `add_share`."""
        self._add(self.accesses, key, {"share": order.share, "listen": str(order.listen)})

    def remove(self, key: str) -> None:
        """It is not to be there any more. Idempotent. A disk that does not take that is logged."""
        self.shares.pop(key, None)
        self.accesses.pop(key, None)
        self._keep()

    def _add(self, kept: dict[str, dict[str, Any]], key: str, order: dict[str, Any]) -> None:
        if len(kept) >= _MOST:
            raise Invalid(f"this agent keeps {_MOST} of them already; release some")
        kept[key] = order
        try:
            if len(json.dumps(self._document())) > _MOST_BYTES:
                raise Invalid("this agent keeps too much already; release some")
            self._write()
        except ZrokdError:
            del kept[key]
            raise

    def _keep(self) -> None:
        try:
            self._write()
        except StartError as error:
            self._log.error("%s", error)

    def _write(self) -> None:
        with self._writing:  # so that the newest is written last
            self._offload(write_json, self._path, self._document())

    def _document(self) -> dict[str, Any]:
        return {"version": _VERSION, "z_id": self.z_id, "shares": dict(self.shares), "accesses": dict(self.accesses)}


def _objects(found: object) -> dict[str, dict[str, Any]]:
    return {key: one for key, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}
