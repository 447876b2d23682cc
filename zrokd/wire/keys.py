"""Our names of fields and zrok's."""

from __future__ import annotations


def camel(name: str) -> str:
    """zrok's name of a field: `env_z_id` is `envZId`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
