"""What the `ziti` program reads: the files of a controller and of a router. They are YAML, and JSON is YAML."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .authority import Authority  # a backend reads settings, and needs nothing that makes certificates

_ROOM_BYTES = 256 << 20  # of some 20,000 shares
_ANY_IPV4 = "0.0.0.0"  # noqa: S104  only compared with


def controller_file(
    authority: Authority, database: Path, *, bind: str, advertise: str, session_s: int = 1800
) -> dict[str, Any]:
    """Controller: `bind` and `advertise` are host:port; API and control plane share the one port."""
    identity = {
        "cert": str(authority.client),
        "server_cert": str(authority.server),
        "key": str(authority.key),
        "ca": str(authority.ca),
    }
    return {
        "v": 3,
        "db": str(database),
        "identity": identity,
        "ctrl": {"listener": f"tls:{bind}", "options": {"advertiseAddress": f"tls:{advertise}"}},
        "healthChecks": {"boltCheck": {"interval": "30s", "timeout": "20s", "initialDelay": "30s"}},
        "edge": {
            "api": {"sessionTimeout": f"{session_s}s", "address": advertise},
            "enrollment": {
                "signingCert": {"cert": str(authority.ca), "key": str(authority.ca_key)},
                "edgeIdentity": {"duration": "180m"},
                "edgeRouter": {"duration": "180m"},
            },
        },
        "web": [
            {
                "name": "api",
                "identity": identity,
                "bindPoints": [{"interface": bind, "address": advertise}],
                "options": {"minTLSVersion": "TLS1.2", "maxTLSVersion": "TLS1.3"},
                "apis": [{"binding": name} for name in ("edge-management", "edge-client", "fabric", "edge-oidc")],
            }
        ],
    }


def router_file(folder: Path, *, controller: str, bind: str, advertise: str, names: Sequence[str]) -> dict[str, Any]:
    """Edge router with its certificates in `folder`; links and edge share the one port."""
    addresses = [name for name in names if is_address(name)]
    return {
        "v": 3,
        "identity": {
            "cert": str(folder / "cert.pem"),
            "server_cert": str(folder / "server.pem"),
            "key": str(folder / "key.pem"),
            "ca": str(folder / "cas.pem"),
        },
        "ctrl": {"endpoint": f"tls:{controller}", "endpointsFile": str(folder / "endpoints.yml")},
        "link": {
            "dialers": [{"binding": "transport"}],
            "listeners": [{"binding": "transport", "bind": f"tls:{bind}", "advertise": f"tls:{advertise}"}],
        },
        "listeners": [{"binding": "edge", "address": f"tls:{bind}", "options": {"advertise": advertise}}],
        "edge": {
            "csr": {"sans": {"dns": [name for name in names if name not in addresses], "ip": addresses}},
        },
        # One a minute waits while the controller is away; beyond, the router would forward no bytes any more.
        "metrics": {"messageQueueSize": 24 * 60},
    }


def make_room(database: Path) -> None:
    """Let a controller's database grow in place, while no controller runs: what it has no use for takes no disk.

    A controller 1.6 that must map its database anew, as it has grown, crashes when it answers a dial at that moment.
    Source: observed; openziti hands on terminators' peer data that lie in the old mapping
    """
    if database.stat().st_size < _ROOM_BYTES:
        os.truncate(database, _ROOM_BYTES)


def environment(home: Path, given: Mapping[str, str]) -> dict[str, str]:
    """What the program's environment holds: nothing that would change whom it trusts or where it writes."""
    kept = {name: given[name] for name in ("PATH", "LANG", "TZ") if name in given}
    return {**kept, "HOME": str(home), "TMPDIR": str(home), "GOTRACEBACK": "single"}


def is_address(name: str) -> bool:
    """Whether it is an IP address, not a host name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def reached_at(host: str) -> str:
    """Where this machine itself reaches a server that listens on `host`."""
    return {_ANY_IPV4: "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def host_port(host: str, port: int) -> str:
    """host:port, with brackets around IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
