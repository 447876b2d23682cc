"""The administrator's half: identities, services, and who may dial and bind what."""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from zrokd.contracts import OverlayAdmin
from zrokd.errors import OverlayError, UnknownService
from zrokd.model.environment import Identity
from zrokd.model.limits import UsageSample

from .api import Refused, Single
from .edge import CONFIG_TYPE
from .enrol import Token, read_authorities, redeem
from .identity import IdentityFile
from .management import Management
from .standing import TAG_ENVIRONMENT, TAG_FRONTEND, TAG_KIND, TAG_SHARE, Names

_BEHIND = ("service-policies", "configs")  # what goes with a service, after it


class ZitiAdmin(OverlayAdmin):
    """Makes one service and one config a share, two policies an environment, one policy an access.

    A service's attributes say whose it is and whether it is public; standing policies do the rest. The identities of
    frontends are kept in `folder`, as a frontend may ask for its own again.
    """

    def __init__(
        self, management: Management, instance: str, folder: Path, log: logging.Logger, ensure: Callable[[], None]
    ) -> None:
        """`ensure` is called before each use of the network: what all this refers to must stand there."""
        self._management, self._names, self._folder, self._log = management, Names(instance), folder, log
        self._ensure_standing = ensure
        self._single = Single()
        self._authorities = ""
        self._config_type_id = ""
        self._services: dict[str, str] = {}  # token -> id

    @property
    def _api(self) -> Management:
        self._ensure_standing()
        return self._management

    # -- identities ---

    def create_environment(self, name: str) -> Identity:
        """A new identity that may bind its shares, and dial them, to see whether they are served.

        One of that name that was made before, and whose answer was lost, makes room: its key is lost, too.
        """
        full = f"{self._names.all}.env.{name}"
        z_id, token = self._identity(full, [self._names.all], **{TAG_KIND: "environment"})
        self._let(full, z_id)
        return self._enrol(z_id, token)

    def adopt_environment(self, z_id: str) -> None:
        """One that the network has already, and that is no administrator's and of no other instance."""
        found = self._api.known("identities", z_id)
        if found is None or found.get("isAdmin"):
            raise UnknownService(f"the network has no identity {z_id!r} that may be taken over")
        tags = found.get("tags") or {}
        if tags.get("zrokd", self._names.instance) != self._names.instance:
            raise UnknownService(f"the identity {z_id!r} is of another instance")
        attributes = sorted({*(found.get("roleAttributes") or ()), self._names.all})
        ours = {**tags, **self._names.tags(**{TAG_KIND: "environment"})}
        self._api.patch("identities", z_id, roleAttributes=attributes, tags=ours)
        self._let(f"{self._names.all}.env.{z_id}", z_id)

    def _let(self, full: str, z_id: str) -> None:
        roles = {"identityRoles": [f"@{z_id}"], "serviceRoles": [f"#{self._names.environment(z_id)}"]}
        tags = self._names.tags(**{TAG_ENVIRONMENT: z_id})
        for kind in ("Bind", "Dial"):
            name = f"{full}.{kind.lower()}.{z_id}"
            self._ensure("service-policies", name, {"type": kind}, semantic="AnyOf", tags=tags, **roles)

    def create_frontend(self, name: str) -> Identity:
        """The identity of a public entrance: that which was made here before, when it still is on the network.

        Each controller of the instance makes its own, as keys are kept by who made them; all may dial the same.
        """
        return self._single.run(("frontend", name), lambda: self._frontend(name))

    def _frontend(self, name: str) -> Identity:
        file = f"frontend-{self._names.instance}-{quote(name, safe='')}.json"
        full = f"{self._names.frontends}.{name}.{self._place()}"
        return self._kept(file, full, self._names.frontends, **{TAG_KIND: "frontend", TAG_FRONTEND: name})

    def _place(self) -> str:
        """What tells this controller from others of the instance, for as long as its folder stands."""
        path = self._folder / "place"
        if not path.exists() or not path.read_text():
            path.write_text(secrets.token_hex(6))
        return path.read_text()

    def create_controller(self) -> Identity:
        """The identity of this controller. Its name is made up: other controllers of the instance have their own."""
        return self._single.run(("controller",), self._controller)

    def _controller(self) -> Identity:
        name, tags = f"{self._names.controllers}.{secrets.token_hex(6)}", {TAG_KIND: "controller"}
        return self._kept(f"controller-{self._names.instance}.json", name, self._names.controllers, **tags)

    def _kept(self, file: str, name: str, attribute: str, **tags: str) -> Identity:
        """The identity in a file of ours, when it still is on the network; else a new one of that name."""
        path = self._folder / file
        kept = _read(path)
        if kept is not None and _has(self._api.known("identities", kept.z_id) or {}, self._names.tags()):
            return kept
        identity = self._enrol(*self._identity(name, [self._names.all, attribute], **tags))
        _write(path, identity)
        return identity

    def _identity(self, name: str, attributes: list[str], **tags: str) -> tuple[str, str]:
        """The id and one-time token of a new identity. One of that name, whose key is lost, makes room."""
        fields = {
            "type": "Device",
            "isAdmin": False,
            "enrollment": {"ott": True},
            "roleAttributes": attributes,
            "tags": self._names.tags(**tags),
        }
        try:
            z_id = self._api.create("identities", name=name, **fields)
        except Refused as error:
            if not error.taken:
                raise
            self._remove_identity(self._adopt("identities", name))
            z_id = self._api.create("identities", name=name, **fields)
        return z_id, str(self._api.get("identities", z_id)["enrollment"]["ott"]["jwt"])

    def _enrol(self, z_id: str, token: str) -> Identity:
        if not self._authorities:
            self._authorities = read_authorities(self._api.web.request("GET", "/.well-known/est/cacerts"))
        certificate, key = redeem(Token.parse(token), self._api.web)
        found = IdentityFile(controllers=self._api.advertised, cert=certificate, key=key, ca=self._authorities)
        return Identity(z_id=z_id, document=found.to_json())

    def delete_environment(self, z_id: str) -> None:
        """Take the identity away with its shares and policies, also a frontend's."""
        for service in self._made_for(z_id, "services"):
            self.delete_share(str(service["name"]))
        for each in self._namesakes(z_id):
            self._remove_identity(each)

    def _made_for(self, z_id: str, kind: str) -> Sequence[dict[str, Any]]:
        """What is for an identity alone. While the identity stands, it leads to all of it."""
        ours = {"tag_zrokd": self._names.instance, f"tag_{TAG_ENVIRONMENT}": z_id}
        if self._api.known("identities", z_id) is not None:
            return self._api.related("identities", z_id, kind, **ours)
        return list(self._api.find(kind, **ours))

    def _namesakes(self, z_id: str) -> list[str]:
        """An identity and, where it is a frontend's, those that other controllers made for the same one."""
        ours, before = {"tag_zrokd": self._names.instance}, f"{self._names.frontends}."
        found = self._api.known("identities", z_id) or {}
        if not _has(found, self._names.tags(**{TAG_KIND: "frontend"})):
            return [z_id]
        # Those of older releases carry no such tag: all controllers made one, of this name.
        name = found["tags"].get(TAG_FRONTEND) or found["name"].removeprefix(before)
        older = self._api.find("identities", name=before + name, **ours)
        newer = self._api.find("identities", **ours, **{f"tag_{TAG_FRONTEND}": name})
        return [str(each["id"]) for each in (*older, *newer)]

    def _remove_identity(self, z_id: str) -> None:
        policies = self._made_for(z_id, "service-policies")
        found = self._api.known("identities", z_id)
        if found is not None:
            self._check_ours(found)
            self._api.delete("identities", z_id)
        for policy in policies:
            self._api.delete("service-policies", str(policy["id"]))

    # -- agents ---

    def create_agent(self, token: str, env_z_id: str) -> None:
        """A service with two policies of its own: that by which environments dial their shares is not for this."""
        tags = self._names.tags(**{TAG_ENVIRONMENT: env_z_id, TAG_SHARE: token, TAG_KIND: "agent"})
        fields = {"roleAttributes": [self._names.all], "tags": tags}
        service = self._ensure("services", token, {}, encryptionRequired=True, **fields)
        for kind, who in (("Bind", f"@{env_z_id}"), ("Dial", f"#{self._names.controllers}")):
            name, roles = f"{self._names.all}.agent.{token}.{kind.lower()}", {"identityRoles": [who]}
            whose = {"serviceRoles": [f"@{service}"], "tags": tags}
            self._ensure("service-policies", name, {"type": kind}, semantic="AnyOf", **roles, **whose)

    # -- shares ---

    def create_share(self, token: str, env_z_id: str, *, public: bool, config: dict[str, object]) -> None:
        """A service of that name, with its config. What the config says of a gate stays with the controller."""
        attributes = [self._names.all, self._names.environment(env_z_id), *([self._names.public] if public else [])]
        tags = self._names.tags(**{TAG_ENVIRONMENT: env_z_id, TAG_SHARE: token})
        data = {"auth_scheme": str(config.get("gate") or "none"), "mode": str(config.get("mode") or "")}
        config_id = self._ensure("configs", token, {"configTypeId": self._config_type()}, data=data, tags=tags)
        fields = {"configs": [config_id], "roleAttributes": attributes, "tags": tags}
        self._services[token] = self._ensure("services", token, {}, encryptionRequired=True, **fields)

    def _config_type(self) -> str:
        if not self._config_type_id:
            found = self._api.first("config-types", name=CONFIG_TYPE)
            if found is None:
                raise OverlayError(f"the network has no config type {CONFIG_TYPE!r}; run `zrokd admin bootstrap`")
            self._config_type_id = str(found["id"])
        return self._config_type_id

    def _ensure(self, kind: str, name: str, fixed: dict[str, str], **fields: Any) -> str:
        """The id of an object of ours that is as wanted. `fixed` is what cannot be changed once it is made."""
        try:
            return self._api.create(kind, name=name, **fixed, **fields)
        except Refused as error:
            if not error.taken:
                raise
        found = self._adopt(kind, name)
        self._api.patch(kind, found, **fields)
        return found

    def _adopt(self, kind: str, name: str) -> str:
        found = self._api.first(kind, name=name)
        if found is None:
            raise OverlayError(f"the network says that {name!r} exists among its {kind}, and does not show it")
        self._check_ours(found)
        return str(found["id"])

    def _check_ours(self, found: dict[str, Any]) -> None:
        if (found.get("tags") or {}).get("zrokd") != self._names.instance:
            raise OverlayError(f"{found.get('name')!r} exists on the network, and is not of this instance")

    def delete_share(self, token: str) -> None:
        """Take the service away, its config, and the policies of its accesses."""
        for kind, id_ in self._parts(token):
            self._api.delete(kind, id_)

    def _parts(self, token: str) -> list[tuple[str, str]]:
        """Kind and id of what was made for a share, in the order in which it is to go.

        When the service is there, it leads to all the rest. When it is not, something may be left of it.
        """
        wanted, service = self._names.tags(**{TAG_SHARE: token}), self._services.pop(token, "")
        related = {kind: self._api.related("services", service, kind) if service else [] for kind in _BEHIND}
        if not related["configs"]:
            tags = {"tag_zrokd": self._names.instance, "tag_zrokdShare": token}
            related = {kind: list(self._api.find(kind, **tags)) for kind in ("services", *_BEHIND)}
        ours = [(kind, str(found["id"])) for kind, all_ in related.items() for found in all_ if _has(found, wanted)]
        return ours if "services" in related else [("services", service), *ours]

    def list_shares(self) -> set[str]:
        """Tokens of this instance's services."""
        found = {str(each["name"]): str(each["id"]) for each in self._of_ours("services")}
        self._services.update(found)
        return set(found)

    def _of_ours(self, kind: str) -> Iterator[dict[str, Any]]:
        return self._api.find(kind, tag_zrokd=self._names.instance)

    # -- accesses ---

    def create_access(self, token: str, share_token: str, env_z_id: str) -> None:
        """Let an environment dial a share: one policy."""
        known = share_token in self._services
        try:
            self._let_dial(token, share_token, env_z_id)
        except Refused:
            if not known:
                raise
            del self._services[share_token]  # another controller may have made it again
            self._let_dial(token, share_token, env_z_id)

    def _let_dial(self, token: str, share_token: str, env_z_id: str) -> None:
        self._ensure(
            "service-policies",
            self._access(token),
            {"type": "Dial"},
            semantic="AnyOf",
            identityRoles=[f"@{env_z_id}"],
            serviceRoles=[f"@{self._service_id(share_token)}"],
            tags=self._names.tags(**{TAG_SHARE: share_token, TAG_ENVIRONMENT: env_z_id, TAG_KIND: "access"}),
        )

    def delete_access(self, token: str, share_token: str) -> None:
        """Take that back, with the sessions that were made by it: streams that run end, too.

        The policy goes last: who is interrupted and asks again still finds whom it was for.
        """
        policy = self._policy(self._access(token), self._find_service(share_token))
        if policy is None:
            return
        self._check_ours(policy)
        # As it says: another controller may have made the share again, and we know the service that was.
        service = next((str(role).removeprefix("@") for role in policy.get("serviceRoles") or ()), "")
        self._api.patch("service-policies", str(policy["id"]), identityRoles=[])
        z_id = str(policy["tags"].get(TAG_ENVIRONMENT, ""))
        wanted = self._names.tags(**{TAG_KIND: "access", TAG_SHARE: share_token, TAG_ENVIRONMENT: z_id})
        others = self._api.related("services", service, "service-policies") if service else []
        has_another = any(each.get("identityRoles") for each in others if _has(each, wanted))
        if service and not has_another:
            self._end_sessions(z_id, service)
        self._api.delete("service-policies", str(policy["id"]))

    def _policy(self, name: str, service: str) -> dict[str, Any] | None:
        """A policy by its name, where it is to be found soon."""
        near = self._api.related("services", service, "service-policies") if service else []
        found = next((each for each in near if each["name"] == name), None)
        return found or self._api.first("service-policies", name=name)

    def _end_sessions(self, z_id: str, service_id: str) -> None:
        """No new stream by them; and those that are open end. The API filters sessions by service, not by identity."""
        for session in self._api.find("sessions", service=service_id):
            if session["type"] == "Dial" and session["identityId"] == z_id:
                self._api.delete("sessions", str(session["id"]))
        self._end_streams(z_id, service_id)

    def _end_streams(self, z_id: str, service_id: str) -> None:
        """Routers leave what a deleted session opened. Source: observed with OpenZiti 1.6 and flow control of ours."""
        try:
            ended = self._api.end_circuits(service_id, z_id)
        except Refused as error:
            if not error.absent:
                raise
            self._log.warning("no fabric API here: streams of a revoked access go on until they are closed (%s)", error)
        else:
            self._log.debug("ended %d streams of a revoked access", ended)

    def _access(self, token: str) -> str:
        return f"{self._names.all}.access.{token}"

    def _service_id(self, token: str) -> str:
        """:raises OverlayError: there is none, or it is not ours."""
        if token not in self._services:
            self._services[token] = self._adopt("services", token)
        return self._services[token]

    def _find_service(self, token: str) -> str:
        """Its id, as far as we know; "" when there is none."""
        if token not in self._services:
            found = self._api.first("services", name=token)
            return str(found["id"]) if found is not None else ""
        return self._services[token]

    def usage(self) -> Iterable[UsageSample]:
        """Nothing: zrokd counts where the bytes come in, and does not ask the network."""
        return []


def _has(found: dict[str, Any], tags: dict[str, str]) -> bool:
    """Whether an object carries these tags."""
    theirs = found.get("tags") or {}
    return all(theirs.get(name) == value for name, value in tags.items())


def _read(path: Path) -> Identity | None:
    try:
        found = json.loads(path.read_bytes())
        return Identity(z_id=str(found["z_id"]), document=str(found["document"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, identity: Identity) -> None:
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps({"z_id": identity.z_id, "document": identity.document}))
    fresh.replace(path)
