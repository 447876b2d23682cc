"""Where daemons of a test stand: network namespaces that see the hub (this test) and not each other, or loopback.

Each namespace has a wire of its own to the hub, which forwards nothing: two daemons in two namespaces reach what
listens at `hub`, and never one another. `cut` and `mend` take a wire away, as when a cable is pulled.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class Loopback:
    """Everybody at 127.0.0.1, told apart by ports. No wire can be cut."""

    apart = False
    hub = "127.0.0.1"

    def host(self, name: str) -> str:
        """Address under which the test reaches what `name` opens."""
        return "127.0.0.1"

    def prefix(self, name: str) -> list[str]:
        """What stands before a command that is to run at `name`."""
        return []

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Sockets made in the block are at `name`. The block must not switch greenlets."""
        yield

    def close(self) -> None: ...


class Namespaces(Loopback):
    """A network namespace for each name. Needs root."""

    apart = True

    def __init__(self, names: Sequence[str]) -> None:
        # Of this process alone: two runs at once must not share an address.
        self._tag, self._net = f"z{os.getpid() % 100000}", f"10.{64 + os.getpid() % 128}"
        self.hub = f"{self._net}.0.1"
        self._number = {name: number for number, name in enumerate(names, 1)}
        self._made: list[list[str]] = []
        self._ours = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        self._do(["addr", "add", f"{self.hub}/32", "dev", "lo"], ["addr", "del", f"{self.hub}/32", "dev", "lo"])
        for name, number in self._number.items():
            namespace, wire = self._namespace(name), self._wire(name)
            self._do(["netns", "add", namespace], ["netns", "del", namespace])
            peer = ["peer", "name", "wire", "netns", namespace]
            self._do(["link", "add", wire, "type", "veth", *peer], ["link", "del", wire])
            self._do(["addr", "add", f"{self._net}.{number}.1/24", "dev", wire])
            self._do(["link", "set", wire, "up"])
            for command in (
                ["addr", "add", f"{self.host(name)}/24", "dev", "wire"],
                ["link", "set", "wire", "up"],
                ["link", "set", "lo", "up"],
                ["route", "add", "default", "via", f"{self._net}.{number}.1"],
            ):
                self._do(["-n", namespace, *command])

    def host(self, name: str) -> str:
        return f"{self._net}.{self._number[name]}.2" if name in self._number else self.hub

    def prefix(self, name: str) -> list[str]:
        return ["ip", "netns", "exec", self._namespace(name)] if name in self._number else []

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[None]:
        if name not in self._number:
            yield
            return
        theirs = os.open(f"/run/netns/{self._namespace(name)}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(theirs)
            yield
        finally:
            _enter(self._ours)
            os.close(theirs)

    def cut(self, name: str) -> None:
        """Nothing passes the wire of `name` from now on; nobody is told."""
        self._do(["-n", self._namespace(name), "link", "set", "wire", "down"])

    def mend(self, name: str) -> None:
        """The wire is back."""
        number = self._number[name]
        self._do(["-n", self._namespace(name), "link", "set", "wire", "up"])
        self._do(["-n", self._namespace(name), "route", "replace", "default", "via", f"{self._net}.{number}.1"])

    def close(self) -> None:
        """Take away what was made; best effort, as the order of things in it is the kernel's."""
        while self._made:
            subprocess.run(["ip", *self._made.pop()], capture_output=True, check=False)
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1

    def _namespace(self, name: str) -> str:
        return f"{self._tag}{name}"

    def _wire(self, name: str) -> str:
        return f"{self._tag}w{self._number[name]}"

    def _do(self, command: list[str], undo: list[str] | None = None) -> None:
        subprocess.run(["ip", *command], capture_output=True, check=True)
        if undo:
            self._made.append(undo)


def places(names: Sequence[str]) -> Loopback:
    """Namespaces where they may be made, else loopback, with the reason printed."""
    try:
        return Namespaces(names)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else error
        print(f"no network namespaces here, everybody stands on loopback: {reason}")
        return Loopback()


def are_possible() -> bool:
    """Whether this process may make network namespaces."""
    try:
        Namespaces(["try"]).close()
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
