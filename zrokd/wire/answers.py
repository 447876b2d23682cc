"""What the server writes. Lists are [] and never null. Source: zrok's REST API v2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zrokd.model.account import Account, Token
from zrokd.model.environment import Environment, Identity
from zrokd.model.naming import MappingChanges, Name, Namespace
from zrokd.model.share import Access, Share, ShareMode
from zrokd.model.site import Invites, Site
from zrokd.wire.modes import mode_to_wire


def enabled_to_wire(identity: Identity) -> dict[str, Any]:
    """The answer of POST /enable: the document travels as a text."""
    return {"identity": identity.z_id, "cfg": identity.document}


def identity_to_wire(identity: Identity) -> dict[str, Any]:
    """A frontend's identity."""
    return {"zId": identity.z_id, "document": identity.document}


def created_share_to_wire(share: Share) -> dict[str, Any]:
    """The answer of POST /share."""
    return {"shareToken": share.token, "frontendProxyEndpoints": list(share.endpoints)}


def share_to_wire(share: Share) -> dict[str, Any]:
    """A share in lists and details. A private one has the endpoint `private` [zrok]."""
    private = share.share_mode == ShareMode.PRIVATE
    return {
        "shareToken": share.token,
        "zId": share.token,
        "envZId": share.env_z_id,
        "shareMode": share.share_mode.value,
        "backendMode": mode_to_wire(share.mode),
        "frontendEndpoints": ["private"] if private else list(share.endpoints),
        "target": share.target,
        "limited": share.limited,
        "createdAt": share.created_at_ms,
        "updatedAt": share.updated_at_ms,
    }


def share_urls_to_wire(share: Share, urls: Iterable[str]) -> dict[str, Any]:
    """A share, and where people find it."""
    return {**share_to_wire(share), "urls": list(urls)}


def limited_to_wire(tokens: Iterable[str]) -> dict[str, Any]:
    """The answer of POST /zrokd/environment/usage."""
    return {"limited": list(tokens)}


def created_access_to_wire(access: Access) -> dict[str, Any]:
    """The answer of POST /access."""
    return {"frontendToken": access.token, "backendMode": mode_to_wire(access.mode)}


def access_to_wire(access: Access) -> dict[str, Any]:
    """An access in lists and details."""
    return {
        "id": access.id,
        "frontendToken": access.token,
        "shareToken": access.share_token,
        "envZId": access.env_z_id,
        "zId": access.env_z_id,
        "backendMode": mode_to_wire(access.mode),
        "bindAddress": access.bind_address,
        "description": access.description,
        "createdAt": access.created_at_ms,
        "updatedAt": access.updated_at_ms,
    }


def environment_to_wire(environment: Environment) -> dict[str, Any]:
    """An environment in lists and details."""
    return {
        "zId": environment.z_id,
        "description": environment.description,
        "host": environment.host,
        "address": environment.address,
        "remoteAgent": environment.remote_agent,
        "limited": environment.limited,
        "createdAt": environment.created_at_ms,
        "updatedAt": environment.updated_at_ms,
    }


def name_to_wire(name: Name) -> dict[str, Any]:
    """A name. Its time is in seconds [zrok]."""
    return {
        "namespaceToken": name.namespace,
        "namespaceName": name.zone,
        "name": name.name,
        "shareToken": name.share_token,
        "reserved": name.reserved,
        "createdAt": name.created_at_ms // 1000,
    }


def namespace_to_wire(namespace: Namespace) -> dict[str, Any]:
    """A namespace as accounts see it."""
    return {"namespaceToken": namespace.token, "name": namespace.zone, "description": namespace.description}


def operators_namespace_to_wire(namespace: Namespace) -> dict[str, Any]:
    """A namespace as the operator sees it. Its times are in seconds [zrok]."""
    seconds = namespace.created_at_ms // 1000
    return {**namespace_to_wire(namespace), "open": namespace.open, "createdAt": seconds, "updatedAt": seconds}


def account_to_wire(account: Account) -> dict[str, Any]:
    """An account as the operator sees it."""
    return {"email": account.email, "limitless": account.limitless}


def account_token_to_wire(token: str) -> dict[str, Any]:
    """A new token of an account, shown this once."""
    return {"accountToken": token}


def token_to_wire(token: Token) -> dict[str, Any]:
    """A token with a name. Its times are in milliseconds; 0: never."""
    return {
        "name": token.name,
        "scope": token.scope.value,
        "createdAt": token.created_at_ms,
        "expiresAt": token.expires_at_ms,
        "lastUsedAt": token.last_used_at_ms,
    }


def created_token_to_wire(token: Token, secret: str) -> dict[str, Any]:
    """The answer of POST /zrokd/tokens: with the secret, shown this once."""
    return {**token_to_wire(token), "token": secret}


def created_namespace_to_wire(namespace: Namespace) -> dict[str, Any]:
    """The answer of POST /namespace."""
    return {"namespaceToken": namespace.token}


def frontend_to_wire(name: str) -> dict[str, Any]:
    """A public entrance as the operator sees it."""
    return {"name": name}


def reconciled_to_wire(actions: Iterable[object], *, dry_run: bool) -> dict[str, Any]:
    """What a comparison of store and overlay did, or would do, as sentences."""
    return {"dryRun": dry_run, "actions": [str(action) for action in actions]}


def versions_to_wire(version: str) -> dict[str, Any]:
    """The answer of GET /versions."""
    return {"controllerVersion": version}


def configuration_to_wire(version: str, site: Site) -> dict[str, Any]:
    """What a client may know before it has an account."""
    return {
        "version": version,
        "touLink": site.terms_link,
        "newAccountLink": site.new_account_link,
        "invitesOpen": site.invites != Invites.CLOSED,
        "requiresInviteToken": site.invites == Invites.TOKEN,
        "inviteTokenContact": site.contact,
    }


def verified_to_wire(email: str) -> dict[str, Any]:
    """The answer of POST /verify."""
    return {"email": email}


def resources_to_wire(environment: Environment, shares: Iterable[Share], accesses: Iterable[Access]) -> dict[str, Any]:
    """An environment with what is in it."""
    return {
        "environment": environment_to_wire(environment),
        "shares": [share_to_wire(share) for share in shares],
        "frontends": [access_to_wire(access) for access in accesses],
    }


def overview_to_wire(
    environments: list[dict[str, Any]], names: Iterable[Name], namespaces: Iterable[Namespace], *, limited: bool
) -> dict[str, Any]:
    """Everything of an account; `environments` come from `resources_to_wire`."""
    return {
        "accountLimited": limited,
        "environments": environments,
        "names": [name_to_wire(name) for name in names],
        "namespaces": [namespace_to_wire(namespace) for namespace in namespaces],
    }


def changes_to_wire(changes: MappingChanges) -> dict[str, Any]:
    """What changed among the names a frontend serves. A mapping without a token is a deletion."""
    return {
        "epoch": changes.epoch,
        "version": changes.version,
        "full": changes.full,
        **({"next": changes.next} if changes.next else {}),
        "mappings": [
            {
                "version": mapping.version,
                "host": mapping.host,
                "token": mapping.token,
                "mode": mode_to_wire(mapping.mode),
                "gate": mapping.gating.gate,
                "gateConfig": dict(mapping.gating.config),
                **({"limited": True} if mapping.limited else {}),
                **({} if mapping.interstitial else {"interstitial": False}),
            }
            for mapping in changes.mappings
        ],
    }
