"""One contract suite per slot; subclass it and give it your component."""

from zrokd.testing.contracts.auth import AuthenticatorContract
from zrokd.testing.contracts.command import CommandContract
from zrokd.testing.contracts.component import ComponentContract
from zrokd.testing.contracts.filter import FilterContract
from zrokd.testing.contracts.gate import GateContract
from zrokd.testing.contracts.mode import ModeContract
from zrokd.testing.contracts.observer import ObserverContract
from zrokd.testing.contracts.overlay import OverlayContract
from zrokd.testing.contracts.role import RoleContract
from zrokd.testing.contracts.sink import SinkContract
from zrokd.testing.contracts.storage import StorageContract

__all__ = [
    "AuthenticatorContract",
    "CommandContract",
    "ComponentContract",
    "FilterContract",
    "GateContract",
    "ModeContract",
    "ObserverContract",
    "OverlayContract",
    "RoleContract",
    "SinkContract",
    "StorageContract",
]
