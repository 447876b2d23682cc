"""What the server reads: the body of each request as a dataclass. Unknown fields are ignored, known ones are strict.

A field without a default must be there and not be empty. Source: zrok's REST API v2; below /zrokd it is ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, TypeVar

from zrokd.errors import Invalid
from zrokd.model.share import Gating, NameSelection, Permission, ShareDraft, ShareMode
from zrokd.wire.fields import NotOneOf, choice, decimal, flag, integer, integers, items, number, text, texts
from zrokd.wire.keys import camel
from zrokd.wire.modes import mode_from_wire

T = TypeVar("T")
_MODE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,31}")
_GATE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_INTERVAL = re.compile(r"0|(?:\d{1,9}(?:\.\d{1,9})?(?:h|m|s|ms|us|µs|ns)){1,6}")  # Source: Go's time.ParseDuration
_MAX_USERS = 32  # each costs a password hash
_MAX_USERNAME = 64  # every frontend holds it, once for each name of the share
_HIGHEST_VERSION = 2**53  # JSON numbers are exact up to here. Source: RFC 8259 §6


@dataclass(frozen=True, slots=True)
class CheckClientVersion:
    """POST /clientVersionCheck."""

    client_version: str = ""


@dataclass(frozen=True, slots=True)
class Enable:
    """POST /enable."""

    description: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Disable:
    """POST /disable."""

    identity: str


@dataclass(frozen=True, slots=True)
class ModifyShare:
    """PATCH /share."""

    share_token: str
    add_access_grants: tuple[str, ...] = ()
    remove_access_grants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unshare:
    """DELETE /unshare."""

    env_z_id: str
    share_token: str


@dataclass(frozen=True, slots=True)
class MakeAccess:
    """POST /access."""

    env_z_id: str
    share_token: str
    bind_address: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class ModifyAccess:
    """PATCH /access."""

    frontend_token: str
    bind_address: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Unaccess:
    """DELETE /unaccess. zrok's clients also name the share, which the access already tells."""

    env_z_id: str
    frontend_token: str


@dataclass(frozen=True, slots=True)
class TakeName:
    """POST, PATCH and DELETE /share/name; `reserved` counts for PATCH alone."""

    namespace_token: str
    name: str
    reserved: bool = False


@dataclass(frozen=True, slots=True)
class Login:
    """POST /login."""

    email: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """POST /changePassword."""

    email: str = ""
    old_password: str = ""
    new_password: str = ""


@dataclass(frozen=True, slots=True)
class Invite:
    """POST /invite."""

    email: str = ""
    invite_token: str = ""


@dataclass(frozen=True, slots=True)
class Verify:
    """POST /verify."""

    register_token: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """POST /register."""

    register_token: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class AskReset:
    """POST /resetPasswordRequest."""

    email_address: str = ""


@dataclass(frozen=True, slots=True)
class ResetPassword:
    """POST /resetPassword."""

    reset_token: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class GenerateInvites:
    """POST /invite/token/generate. The caller chooses the tokens [zrok]."""

    invite_tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetPassword:
    """PATCH /account."""

    email: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class RegenerateAccountToken:
    """POST /regenerateAccountToken."""

    email_address: str


@dataclass(frozen=True, slots=True)
class MakeToken:
    """POST /zrokd/tokens. Without a scope: share. 0 seconds: it does not end."""

    name: str
    scope: str = ""
    expires_in_s: int = 0


@dataclass(frozen=True, slots=True)
class OneToken:
    """DELETE /zrokd/tokens."""

    name: str


@dataclass(frozen=True, slots=True)
class MakeAccount:
    """POST /account."""

    email: str
    password: str = ""


@dataclass(frozen=True, slots=True)
class OneAccount:
    """DELETE /account, POST /zrokd/accounts/token."""

    email: str


@dataclass(frozen=True, slots=True)
class Sparklines:
    """POST /sparklines. zrok's `account` says nothing."""

    environments: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()


_READERS: dict[str, Callable[..., Any]] = {
    "bool": flag,
    "int": integer,
    "float": decimal,
    "tuple[str, ...]": texts,
    "tuple[int, ...]": integers,
}


def wire_name(field: Field[Any]) -> str:
    """How a field is called on the wire."""
    return str(field.metadata.get("wire") or camel(field.name))


def from_wire(kind: type[T], document: Mapping[str, Any]) -> T:
    """The request of this kind in a body. :raises Invalid: names the field."""
    values = {}
    for field in fields(kind):  # type: ignore[arg-type]
        name = wire_name(field)
        if field.type == "str":
            values[field.name] = text(document, name, required=field.default is MISSING)
        else:
            values[field.name] = _READERS[str(field.type)](document, name)
            if field.type == "int" and name not in document and field.default is not MISSING:
                values[field.name] = field.default
    return kind(**values)


@dataclass(frozen=True, slots=True)
class AskMappings:
    """The query of GET /zrokd/mappings."""

    epoch: str
    since: int
    wait_s: float


def mappings_query_from_wire(query: Mapping[str, str], *, max_wait_s: float) -> AskMappings:
    """What a frontend asks for; it waits no longer than `max_wait_s` seconds. :raises Invalid: names the field."""
    return AskMappings(
        epoch=text(query, "epoch"),
        since=int(number(query, "since", highest=_HIGHEST_VERSION)),
        wait_s=number(query, "wait_s", highest=max_wait_s),
    )


TEXT: Mapping[str, Any] = {"type": ["string", "null"]}
TEXTS: Mapping[str, Any] = {"type": ["array", "null"], "items": {"type": "string", "minLength": 1}}


def _list_of(*names: str) -> dict[str, Any]:
    item = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    return {"type": ["array", "null"], "items": item}


LIST_OF_SELECTIONS = _list_of("namespaceToken", "name")
#: What `draft_from_wire` reads, as a JSON schema.
DRAFT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["envZId", "shareMode", "backendMode"],
    "properties": {
        "envZId": {"type": "string", "minLength": 1},
        "shareMode": {"type": "string", "enum": [mode.value for mode in ShareMode]},
        "backendMode": {"type": "string", "pattern": f"^{_MODE.pattern}$"},
        "target": TEXT,
        "nameSelections": LIST_OF_SELECTIONS,
        "privateShareToken": TEXT,
        "oauthRefreshInterval": {"type": ["string", "null"], "pattern": f"^(|{_INTERVAL.pattern})$"},
        "permissionMode": {"type": ["string", "null"], "enum": ["", None, *(one.value for one in Permission)]},
        "accessGrants": TEXTS,
        "authScheme": TEXT,
        "basicAuthUsers": _list_of("username", "password"),
    },
}


def draft_from_wire(document: Mapping[str, Any], hash_password: Callable[[str], str]) -> ShareDraft:
    """The draft in the body of POST /share. Passwords in it are hashed here, by `hash_password`, after all else.

    :raises Invalid: names the field.
    """
    _check_interval(document)
    return ShareDraft(
        env_z_id=text(document, "envZId", required=True),
        share_mode=choice(document, "shareMode", ShareMode),
        mode=_mode(document),
        target=text(document, "target"),
        selections=items(document, "nameSelections", selection_from_wire),
        token=text(document, "privateShareToken"),
        permission=choice(document, "permissionMode", Permission, Permission.OPEN),
        grants=texts(document, "accessGrants"),
        gating=_gating(document, hash_password),
    )


def _check_interval(document: Mapping[str, Any]) -> None:
    """It is asked for nothing but oauth, which there is none of; its clients send it always."""
    value = text(document, "oauthRefreshInterval")
    if value and not _INTERVAL.fullmatch(value):
        raise Invalid(f"oauthRefreshInterval must be a duration like 3h or 90m, not {value[:40]!r}")


def _mode(document: Mapping[str, Any]) -> str:
    value = text(document, "backendMode", required=True)
    if not _MODE.fullmatch(value):
        raise NotOneOf("backendMode must be the name of a backend mode, such as proxy")
    return mode_from_wire(value)


def selection_from_wire(value: Any, place: str) -> NameSelection:
    """One of `nameSelections`. :raises Invalid: names the field."""
    if not isinstance(value, dict):
        raise Invalid(f"{place} must have namespaceToken and name")
    return NameSelection(namespace=text(value, "namespaceToken", required=True), name=text(value, "name"))


def _gating(document: Mapping[str, Any], hash_password: Callable[[str], str]) -> Gating:
    scheme = text(document, "authScheme") or "none"  # zrok's clients may leave it empty
    if scheme == "none":
        return Gating()
    if scheme == "oauth" or not _GATE.fullmatch(scheme):  # zrok's oauth says more than a gate's name
        raise NotOneOf("authScheme must be none, basic, or the name of a gate of the frontend's")
    if scheme != "basic":
        return Gating(gate=scheme)  # a frontend that has no such gate lets nobody in
    users = items(document, "basicAuthUsers", _user)
    if not 0 < len(users) <= _MAX_USERS:
        raise Invalid(f"basicAuthUsers must name 1 to {_MAX_USERS} users")
    return Gating(gate="basic", config={"users": [{"username": u, "hash": hash_password(p)} for u, p in users]})


def _user(value: Any, place: str) -> tuple[str, str]:
    if not isinstance(value, dict):
        raise Invalid(f"{place} must have username and password")
    username = text(value, "username", required=True)
    if ":" in username:
        raise Invalid(f"{place}: a user name has no colon")  # Source: RFC 7617 §2
    if len(username) > _MAX_USERNAME:
        raise Invalid(f"{place}: a user name has at most {_MAX_USERNAME} characters")
    return username, text(value, "password", required=True)
