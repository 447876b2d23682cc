"""A public entrance, as the operator sees it."""

from __future__ import annotations

from dataclasses import dataclass

from zrokd.model.share import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontend:
    """A public entrance. `token` is what the API calls it by, no secret; `z_id` its overlay identity, once known."""

    token: str
    name: str
    z_id: str = ""
    url_template: str = ""
    permission: Permission = Permission.OPEN
    dynamic: bool = False
    created_at_ms: int = 0
    updated_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceFrontend:
    """A frontend that serves a namespace, both by token."""

    namespace: str
    frontend: str
    is_default: bool = False
    created_at_ms: int = 0
