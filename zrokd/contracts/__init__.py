"""What a plugin implements, one module per slot. No logic lives here.

Public and semantically versioned. A plugin imports from `zrokd.contracts` directly.
"""

from typing import TYPE_CHECKING

from zrokd.contracts.auth import Authenticator, Directory
from zrokd.contracts.command import Command
from zrokd.contracts.component import Clock, Component, Context, Health, Hooks, Scales, Task
from zrokd.contracts.filter import Filter
from zrokd.contracts.gate import Gate
from zrokd.contracts.mode import PING_PATH, Mode
from zrokd.contracts.observer import Observer
from zrokd.contracts.overlay import ACCESS, Caller, Listener, Node, Overlay, OverlayAdmin, Proof, Step, Stream
from zrokd.contracts.role import Role
from zrokd.contracts.sink import Sink
from zrokd.contracts.storage import Storage

if TYPE_CHECKING:
    from zrokd.contracts.rules import Mistake, repeated, rule
    from zrokd.contracts.settings import (
        AddressSetting,
        DurationS,
        NetworkSetting,
        SecretSetting,
        Settings,
        SizeBytes,
        UrlSetting,
        Use,
        passes,
        slot_use,
    )

SLOTS: dict[str, type[Component]] = {
    cls.slot: cls for cls in (Role, Storage, Overlay, Authenticator, Mode, Gate, Filter, Sink, Observer, Command)
}

__all__ = [
    "ACCESS",
    "PING_PATH",
    "SLOTS",
    "AddressSetting",
    "Authenticator",
    "Caller",
    "Clock",
    "Command",
    "Component",
    "Context",
    "Directory",
    "DurationS",
    "Filter",
    "Gate",
    "Health",
    "Hooks",
    "Listener",
    "Mistake",
    "Mode",
    "NetworkSetting",
    "Node",
    "Observer",
    "Overlay",
    "OverlayAdmin",
    "Proof",
    "Role",
    "Scales",
    "SecretSetting",
    "Settings",
    "Sink",
    "SizeBytes",
    "Step",
    "Storage",
    "Stream",
    "Task",
    "UrlSetting",
    "Use",
    "passes",
    "repeated",
    "rule",
    "slot_use",
]


def __getattr__(name: str) -> object:
    """What settings are written with comes when it is asked for: pydantic takes longer than the help of a command."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from zrokd.contracts import rules, settings

    return getattr(rules if hasattr(rules, name) else settings, name)
