"""What everybody was told of a network of our own when it was made, and asks at for good: its controller's address."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from zrokd.errors import StartError

from .authority import write
from .machinery import host_port, is_address

_ENDPOINT = re.compile(r"\btls:(\S+:\d+)")


class ToldAddress:
    """The address as kept in the network's `folder`. One that an older version made is found at its router."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "controller-address"
        self._endpoints = folder / "router" / "endpoints.yml"  # where the router last found the controller

    def check(self, advertised: str, names: Collection[str]) -> None:
        """`advertised` is host:port that would be told now; `names`, under what the controller is reached now.

        :raises StartError: who was told the first address would ask where nobody answers.
        """
        first = self._first()
        if not first or _still_answers(first, advertised, names):
            return
        raise StartError(
            f"overlay.managed.controller: the network in {self.folder} was made with {first}, where its router and"
            f" identities ask for good, and this would be {advertised}: put the first address back, or begin a new"
            " network with another state_dir"
        )

    def keep(self, advertised: str) -> None:
        """Keep what is told at first; later calls change nothing. Blocks for some milliseconds."""
        if not self._file.exists():
            write(self._file, (self._first() or advertised).encode() + b"\n", 0o600)

    def forget(self) -> None:
        """A network is made anew in this folder."""
        self._file.unlink(missing_ok=True)
        self._endpoints.unlink(missing_ok=True)

    def renew_router(self) -> None:
        """The router asks where its configuration says, not under a name that has been changed since."""
        self._endpoints.unlink(missing_ok=True)

    def _first(self) -> str:
        with suppress(FileNotFoundError):
            return self._file.read_text().strip()
        with suppress(FileNotFoundError):
            found = _ENDPOINT.search(self._endpoints.read_text(errors="replace"))
            return found[1] if found else ""
        return ""


def _still_answers(first: str, advertised: str, names: Collection[str]) -> bool:
    host, _, port = first.rpartition(":")
    if port != advertised.rpartition(":")[2]:
        return False
    # A host name may be changed, and may lead to another machine; an address is one for good.
    return not is_address(host.strip("[]")) or host in {host_port(name, 0).rpartition(":")[0] for name in names}
