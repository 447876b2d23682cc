"""Rules over a whole file: what is right in each part, and cannot be true of all at once."""

from __future__ import annotations

from typing import Any

from zrokd.config.tree import KeyPath, Tree, dotted
from zrokd.config.values import find_all
from zrokd.model.units import Address

_ANY = ("", "0.0.0.0", "::", "*")  # noqa: S104  only compared with


def refuse_ports_taken_twice(value: Any, tree: Tree) -> None:
    """Two that listen on one address: the second is a mistake."""
    taken: list[tuple[KeyPath, Address]] = []
    for path, address in find_all(Address, value):
        if path[-1] != "listen":
            continue
        for other, first in taken:
            if _meet(address, first):
                tree.refuse(f"{address} is taken by {dotted(tree.as_written(other))}; choose another port", path)
        taken.append((path, address))


def _meet(one: Address, other: Address) -> bool:
    if one.path or other.path:
        return one.path == other.path
    same_host = one.host == other.host or one.host in _ANY or other.host in _ANY
    return same_host and one.port == other.port != 0
