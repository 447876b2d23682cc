"""What the server writes to the operator. Source: zrok's REST API v2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zrokd.model.frontend import Frontend, NamespaceFrontend
from zrokd.model.limits import LimitClass
from zrokd.model.naming import Name
from zrokd.model.organization import Member, Membership, Organization
from zrokd.wire.answers import name_to_wire
from zrokd.wire.modes import mode_to_wire


def created_frontend_to_wire(frontend: Frontend) -> dict[str, Any]:
    """The answer of POST /frontend."""
    return {"frontendToken": frontend.token}


def frontend_details_to_wire(frontend: Frontend) -> dict[str, Any]:
    """A public entrance. Its times are in milliseconds."""
    return {
        "frontendToken": frontend.token,
        "zId": frontend.z_id,
        "urlTemplate": frontend.url_template,
        "publicName": frontend.name,
        "permissionMode": frontend.permission.value,
        "dynamic": frontend.dynamic,
        "createdAt": frontend.created_at_ms,
        "updatedAt": frontend.updated_at_ms,
    }


def mapped_frontend_to_wire(mapped: NamespaceFrontend) -> dict[str, Any]:
    """A frontend that serves a namespace. Its time is in seconds [zrok]."""
    return {
        "namespaceToken": mapped.namespace,
        "frontendToken": mapped.frontend,
        "isDefault": mapped.is_default,
        "createdAt": mapped.created_at_ms // 1000,
    }


def held_name_to_wire(name: Name, email: str) -> dict[str, Any]:
    """The answer of GET /name/…: a name and whose it is."""
    return {**name_to_wire(name), "accountEmail": email}


def organization_to_wire(organization: Organization) -> dict[str, Any]:
    """An organization."""
    return {"organizationToken": organization.token, "description": organization.description}


def organizations_to_wire(organizations: Iterable[Organization]) -> dict[str, Any]:
    """The answer of GET /organizations."""
    return {"organizations": [organization_to_wire(one) for one in organizations]}


def created_organization_to_wire(organization: Organization) -> dict[str, Any]:
    """The answer of POST /organization."""
    return {"organizationToken": organization.token}


def members_to_wire(members: Iterable[Member]) -> dict[str, Any]:
    """Who is in an organization."""
    return {"members": [{"email": member.email, "admin": member.admin} for member in members]}


def memberships_to_wire(memberships: Iterable[Membership]) -> dict[str, Any]:
    """What an account is in."""
    return {"memberships": [{**organization_to_wire(one.organization), "admin": one.admin} for one in memberships]}


def limit_class_to_wire(one: LimitClass) -> dict[str, Any]:
    """A limit class. zrok counts reserved names twice, as shares and as names; here it is one number."""
    return {
        "id": one.id,
        "label": one.label,
        "backendMode": mode_to_wire(one.backend_mode),
        "environments": one.limits.environments,
        "shares": one.limits.shares,
        "reservedShares": one.limits.names,
        "uniqueNames": one.limits.names,
        "shareFrontends": one.limits.accesses,
        "periodMinutes": one.period_minutes,
        "rxBytes": one.rx_bytes,
        "txBytes": one.tx_bytes,
        "totalBytes": one.total_bytes,
        "limitAction": one.limit_action.value,
        "createdAt": one.created_at_ms,
        "updatedAt": one.updated_at_ms,
    }


def skip_grant_to_wire(email: str, *, granted: bool) -> dict[str, Any]:
    """The answer of GET /skip-interstitial-grant."""
    return {"email": email, "granted": granted}
