"""Something offered, and a private listener onto it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class ShareMode(enum.StrEnum):
    """Who can come: anybody who knows the name, or holders of an access."""

    PUBLIC = "public"
    PRIVATE = "private"


class Permission(enum.StrEnum):
    """Which accounts may have an access to a private share: all, or the owner and those granted."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameSelection:
    """Under which name a public share is offered: a reserved one, or (empty) one made for this share."""

    namespace: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gating:
    """Which gate stands before a share, by its name in the frontend's YAML, and what the gate is told."""

    gate: str = ""  # empty: no gate
    config: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareDraft:
    """A share somebody asks for."""

    env_z_id: str
    share_mode: ShareMode
    mode: str  # backend mode: the name of a mode plugin, or what another client calls its own
    target: str = ""
    selections: tuple[NameSelection, ...] = ()
    token: str = ""  # a private share may choose its own
    gating: Gating = field(default_factory=Gating)
    permission: Permission = Permission.CLOSED
    grants: tuple[str, ...] = ()  # e-mail addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Something offered. Its `token` is also its overlay service name."""

    id: int
    token: str
    env_z_id: str
    account_id: int
    share_mode: ShareMode
    mode: str
    target: str = ""
    endpoints: tuple[str, ...] = ()  # host names, without scheme and port
    gating: Gating = field(default_factory=Gating)
    permission: Permission = Permission.CLOSED
    limited: bool = False  # nobody is let through: the account has used up its bytes
    created_at_ms: int = 0
    updated_at_ms: int = 0

    @property
    def open_to_all(self) -> bool:
        """Whether every account may have an access. Not past a gate: gates stand at public entrances only."""
        return self.permission == Permission.OPEN and not self.gating.gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A private listener onto a share. `token` is what zrok calls the frontend token."""

    id: int
    token: str
    share_token: str
    env_z_id: str
    mode: str
    bind_address: str = ""
    description: str = ""
    limited: bool = False  # as the share
    created_at_ms: int = 0
    updated_at_ms: int = 0
