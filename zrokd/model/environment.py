"""An enabled host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A host allowed to dial and bind: one overlay identity, named by `z_id` everywhere outside the store."""

    id: int
    account_id: int
    z_id: str
    description: str = ""
    host: str = ""
    address: str = ""
    remote_agent: bool = False  # whether an agent there can be talked to by the controller
    limited: bool = False  # its account has used up its bytes
    created_at_ms: int = 0
    updated_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentDraft:
    """An environment somebody asks for."""

    account_id: int
    description: str = ""
    host: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An overlay identity: its id, and the document (JSON text) that lets its holder in. The document is a secret."""

    z_id: str
    document: str

    def __repr__(self) -> str:
        return f"Identity(z_id={self.z_id!r})"
