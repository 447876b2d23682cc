"""What the client sends and reads, as JSON documents. Source: zrok's REST API v2, and our own part of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from zrokd.errors import Unavailable
from zrokd.model.account import Scope, Token
from zrokd.model.bind import Reach, Standing
from zrokd.model.environment import Identity
from zrokd.model.limits import UsageSample
from zrokd.model.naming import Mapping, MappingChanges, Name, Namespace
from zrokd.model.share import Gating, ShareDraft
from zrokd.wire.keys import camel
from zrokd.wire.modes import mode_from_wire, mode_to_wire

_ZROKS = {"access_token": "frontend_token", "namespace": "namespace_token"}  # zrok's nouns for ours


def body(**values: str | bool | int) -> dict[str, Any]:
    """The body of a request with a few plain fields."""
    return {camel(_ZROKS.get(name, name)): value for name, value in values.items()}


def draft_to_wire(draft: ShareDraft) -> dict[str, Any]:
    """The body of POST /share."""
    users = draft.gating.config.get("users", []) if draft.gating.gate == "basic" else []
    return {
        "envZId": draft.env_z_id,
        "shareMode": draft.share_mode.value,
        "backendMode": mode_to_wire(draft.mode),
        "target": draft.target,
        "nameSelections": [{"namespaceToken": s.namespace, "name": s.name} for s in draft.selections],
        "privateShareToken": draft.token,
        "authScheme": draft.gating.gate or "none",
        "basicAuthUsers": users,
        "permissionMode": draft.permission.value,
        "accessGrants": list(draft.grants),
    }


def share_from_wire(document: Any) -> tuple[str, tuple[str, ...]]:
    """The token of a new share, and its host names. :raises Unavailable: this is no such answer."""
    hosts = _field(document, "frontendProxyEndpoints", list, [])
    return _field(document, "shareToken", str), tuple(str(host) for host in hosts)


def detail_from_wire(document: Any) -> tuple[str, tuple[str, ...]]:
    """Whose environment a share is of, and its host names. :raises Unavailable: this is no such answer."""
    hosts = _field(document, "frontendEndpoints", list, [])
    return _field(document, "envZId", str, ""), tuple(str(host) for host in hosts)


def version_from_wire(document: Any) -> str:
    """The controller's version. :raises Unavailable: this is no such answer."""
    return str(_field(document, "controllerVersion", str))


def agent_token_from_wire(document: Any) -> str:
    """The service of a new agent. :raises Unavailable: this is no such answer."""
    return str(_field(document, "token", str))


def listed_environments_from_wire(document: Any) -> set[str]:
    """The environments of a list, by their Ziti ids. :raises Unavailable: this is no such answer."""
    return {_field(one, "envZId", str) for one in _field(document, "environments", list)}


def enabled_from_wire(document: Any) -> Identity:
    """The identity of a new environment. :raises Unavailable: this is no such answer."""
    return Identity(z_id=_field(document, "identity", str), document=_field(document, "cfg", str))


def usage_to_wire(reporter: str, batch: str, samples: Sequence[UsageSample]) -> dict[str, Any]:
    """The body of POST /zrokd/usage."""
    counted = [{"shareToken": one.share_token, "rx": one.rx_bytes, "tx": one.tx_bytes} for one in samples]
    return {"reporter": reporter, "batch": batch, "samples": counted}


def limited_from_wire(document: Any) -> frozenset[str]:
    """Tokens of shares that let nobody in now. :raises Unavailable: this is no such answer."""
    return frozenset(str(token) for token in _field(document, "limited", list))


def identity_from_wire(document: Any) -> Identity:
    """The identity of a frontend. :raises Unavailable: this is no such answer."""
    return Identity(z_id=_field(document, "zId", str), document=_field(document, "document", str))


def access_from_wire(document: Any) -> tuple[str, str]:
    """The token of a new access, and the share's mode. :raises Unavailable: this is no such answer."""
    return _field(document, "frontendToken", str), mode_from_wire(_field(document, "backendMode", str, ""))


def urls_from_wire(document: Any) -> tuple[str, ...]:
    """Where a share is found. :raises Unavailable: this is no such answer."""
    return tuple(str(url) for url in _field(document, "urls", list))


def account_token_from_wire(document: Any) -> str:
    """The token of an account. :raises Unavailable: this is no such answer."""
    return str(_field(document, "accountToken", str))


def created_token_from_wire(document: Any) -> tuple[Token, str]:
    """A new token, and its secret. :raises Unavailable: this is no such answer."""
    return _token(document), str(_field(document, "token", str))


def tokens_from_wire(document: Any) -> tuple[Token, ...]:
    """Tokens with names. :raises Unavailable: this is no such answer."""
    return tuple(_token(item) for item in _list(document))


def _token(item: Any) -> Token:
    scope = _field(item, "scope", str)
    if scope not in tuple(Scope):
        raise Unavailable(f"the controller's answer makes no sense: {scope!r} is no scope")
    return Token(
        name=_field(item, "name", str),
        scope=Scope(scope),
        created_at_ms=_field(item, "createdAt", int, 0),
        expires_at_ms=_field(item, "expiresAt", int, 0),
        last_used_at_ms=_field(item, "lastUsedAt", int, 0),
    )


def names_from_wire(document: Any) -> tuple[Name, ...]:
    """Names of an account. :raises Unavailable: this is no such answer."""
    return tuple(
        Name(
            namespace=_field(item, "namespaceToken", str),
            zone=_field(item, "namespaceName", str, ""),
            name=_field(item, "name", str),
            reserved=_field(item, "reserved", bool, False),
            share_token=_field(item, "shareToken", str, ""),
            created_at_ms=1000 * _field(item, "createdAt", int, 0),  # seconds here, and only here
        )
        for item in _list(document)
    )


def namespaces_from_wire(document: Any) -> tuple[Namespace, ...]:
    """Namespaces: an account's, or all for an administrator. :raises Unavailable: this is no such answer."""
    return tuple(
        Namespace(
            token=_field(item, "namespaceToken", str),
            zone=_field(item, "name", str),
            description=_field(item, "description", str, ""),
            open=_field(item, "open", bool, False),  # told to administrators alone
        )
        for item in _list(document)
    )


def created_namespace_from_wire(document: Any) -> str:
    """The token of a new namespace. :raises Unavailable: this is no such answer."""
    return str(_field(document, "namespaceToken", str))


def accounts_from_wire(document: Any) -> tuple[str, ...]:
    """The addresses of all accounts. :raises Unavailable: this is no such answer."""
    return tuple(_field(item, "email", str) for item in _list(document))


def frontends_from_wire(document: Any) -> tuple[str, ...]:
    """The names of all frontends. :raises Unavailable: this is no such answer."""
    return tuple(_field(item, "name", str) for item in _list(document))


def reconciled_from_wire(document: Any) -> tuple[str, ...]:
    """What was done to make store and overlay equal. :raises Unavailable: this is no such answer."""
    return tuple(str(action) for action in _field(document, "actions", list))


def again_from_wire(document: Any) -> bool:
    """Whether a backend is to tell all of its binds again. :raises Unavailable: this is no such answer."""
    return bool(_field(document, "again", bool))


def standings_from_wire(document: Any) -> tuple[Standing, ...]:
    """Whether shares are reached. A state of a newer controller's counts as unknown. :raises Unavailable: no such."""
    return tuple(
        Standing(
            share_token=_field(item, "shareToken", str),
            env_z_id=_field(item, "envZId", str, ""),
            reach=_reach(_field(item, "state", str)),
            why=_field(item, "why", str, ""),
            since_ms=_field(item, "since", int, 0),
            proven_at_ms=_field(item, "provenAt", int, 0),
            ends=_field(item, "ends", int, 0),
        )
        for item in _list(document)
    )


def _reach(word: str) -> Reach:
    return Reach(word) if word in set(Reach) else Reach.UNKNOWN


def environments_from_wire(document: Any) -> set[str]:
    """Ziti ids of an overview's environments. :raises Unavailable: this is no such answer."""
    found = _field(document, "environments", list, [])
    return {_field(_field(item, "environment", dict), "zId", str) for item in found}


def changes_from_wire(document: Any) -> MappingChanges:
    """What changed among the names. :raises Unavailable: this is no such answer."""
    return MappingChanges(
        epoch=_field(document, "epoch", str),
        version=_field(document, "version", int),
        full=_field(document, "full", bool),
        mappings=tuple(_mapping(item) for item in _field(document, "mappings", list)),
        next=_field(document, "next", str, ""),
    )


def _mapping(item: Any) -> Mapping:
    return Mapping(
        version=_field(item, "version", int),
        host=_field(item, "host", str),
        token=_field(item, "token", str, ""),
        mode=mode_from_wire(_field(item, "mode", str, "")),
        gating=Gating(gate=_field(item, "gate", str, ""), config=_field(item, "gateConfig", dict, {})),
        limited=_field(item, "limited", bool, False),
        interstitial=_field(item, "interstitial", bool, True),
    )


_MISSING = object()


def _field(document: Any, key: str, kind: type, default: Any = _MISSING) -> Any:
    """One field; what is left out or null counts as `default`."""
    value = document.get(key) if isinstance(document, dict) else None
    if value is None and default is not _MISSING:
        return default
    if kind is str and isinstance(value, dict):
        return json.dumps(value)  # an identity document that was not put into a text
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Unavailable(f"the controller's answer makes no sense: {key!r} is missing or wrong")
    return value


def _list(document: Any) -> list[Any]:
    if document is None:
        return []
    if not isinstance(document, list):
        raise Unavailable("the controller's answer makes no sense: it is no list")
    return document
