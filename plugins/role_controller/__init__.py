"""The controller role."""

from __future__ import annotations

from collections.abc import Iterable

from zrokd import hookimpl
from zrokd.contracts import Role

from .role import ControllerRole


@hookimpl
def zrokd_provide_roles() -> Iterable[type[Role]]:
    """The role of this module."""
    return [ControllerRole]
