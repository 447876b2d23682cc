"""zrokd: share a web server, a port or a folder from behind NAT over a network you host yourself."""

from pluggy import HookimplMarker, HookspecMarker

__version__ = "0.1.0"

hookspec = HookspecMarker("zrokd")
hookimpl = HookimplMarker("zrokd")

__all__ = ["__version__", "hookimpl", "hookspec"]
