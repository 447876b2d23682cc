"""The frontend role: public shares by name, private shares by a port of this host."""

from __future__ import annotations

from zrokd import hookimpl
from zrokd.contracts import Role

from .role import FrontendRole


@hookimpl
def zrokd_provide_roles() -> list[type[Role]]:
    """The role of this package."""
    return [FrontendRole]
