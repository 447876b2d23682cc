"""What the server reads of the operator. Source: zrok's REST API v2; below /zrokd it is ours."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MakeNamespace:
    """POST /namespace."""

    name: str
    token: str = ""
    description: str = ""
    open: bool = False


@dataclass(frozen=True, slots=True)
class ModifyNamespace:
    """PATCH /namespace. Empty texts leave things as they are; `open` counts with `open_set` only."""

    namespace_token: str
    name: str = ""
    description: str = ""
    open: bool = False
    open_set: bool = False


@dataclass(frozen=True, slots=True)
class OneNamespace:
    """DELETE /namespace."""

    namespace_token: str


@dataclass(frozen=True, slots=True)
class GrantNamespace:
    """POST and DELETE /namespace/grant."""

    namespace_token: str
    email: str


@dataclass(frozen=True, slots=True)
class MakeFrontend:
    """POST /frontend. Two of its fields are in snake case [zrok]."""

    z_id: str = ""
    url_template: str = field(default="", metadata={"wire": "url_template"})
    public_name: str = field(default="", metadata={"wire": "public_name"})
    permission_mode: str = ""
    dynamic: bool = False


@dataclass(frozen=True, slots=True)
class ModifyFrontend:
    """PATCH /frontend. Empty texts leave things as they are; `dynamic` counts with `dynamic_set` only."""

    frontend_token: str
    public_name: str = ""
    url_template: str = ""
    dynamic: bool = False
    dynamic_set: bool = False


@dataclass(frozen=True, slots=True)
class OneFrontend:
    """DELETE /frontend."""

    frontend_token: str


@dataclass(frozen=True, slots=True)
class GrantFrontend:
    """POST and DELETE /frontend/grant."""

    frontend_token: str
    email: str


@dataclass(frozen=True, slots=True)
class MapFrontend:
    """POST and DELETE /namespace/frontend/mapping; `is_default` counts for POST alone."""

    namespace_token: str
    frontend_token: str
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class MakeIdentity:
    """POST /identity."""

    name: str


@dataclass(frozen=True, slots=True)
class OneIdentity:
    """DELETE /identity."""

    z_id: str


@dataclass(frozen=True, slots=True)
class MakeOrganization:
    """POST /organization."""

    description: str = ""


@dataclass(frozen=True, slots=True)
class OneOrganization:
    """DELETE /organization, POST /organization/list."""

    organization_token: str


@dataclass(frozen=True, slots=True)
class PutMember:
    """POST /organization/add."""

    organization_token: str
    email: str
    admin: bool = False


@dataclass(frozen=True, slots=True)
class OneMember:
    """POST /organization/remove."""

    organization_token: str
    email: str


@dataclass(frozen=True, slots=True)
class ListLimitClasses:
    """POST /limit-class/list."""

    label: str = ""


@dataclass(frozen=True, slots=True)
class ApplyLimitClasses:
    """POST and DELETE /applied-limit-class."""

    email: str
    limit_class_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class MakeLimitClass:
    """POST /zrokd/limit-class. A number left out is endless."""

    label: str
    backend_mode: str = ""
    environments: int = -1
    shares: int = -1
    unique_names: int = -1
    share_frontends: int = -1
    period_minutes: int = 1440
    rx_bytes: int = -1
    tx_bytes: int = -1
    total_bytes: int = -1
    limit_action: str = ""


@dataclass(frozen=True, slots=True)
class OneLimitClass:
    """DELETE /zrokd/limit-class."""

    id: int


@dataclass(frozen=True, slots=True)
class MakeAnyToken:
    """POST /zrokd/admin/tokens. Without an address it is an administrator's, of the scope admin."""

    name: str
    email: str = ""
    scope: str = ""
    expires_in_s: int = 0


@dataclass(frozen=True, slots=True)
class AnyToken:
    """DELETE /zrokd/admin/tokens."""

    name: str
    email: str = ""
