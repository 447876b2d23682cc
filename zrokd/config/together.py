"""Rules over a whole file: what is right in each part, and cannot be true of all at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zrokd.config.exposure import items_of
from zrokd.config.tree import KeyPath, Tree, dotted
from zrokd.contracts import Use
from zrokd.model.units import Address

_ANY = ("", "0.0.0.0", "::", "*")  # noqa: S104  only compared with


def refuse_ports_taken_twice(value: Any, tree: Tree) -> None:
    """Two that listen on one address: the second is a mistake."""
    taken: list[tuple[KeyPath, Address]] = []
    for path, address in _listening(value, ()):
        for other, first in taken:
            if _meet(address, first):
                tree.refuse(f"{address} is taken by {dotted(tree.as_written(other))}; choose another port", path)
        taken.append((path, address))


def _listening(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Address]]:
    if isinstance(value, Address):
        if path[-1] == "listen":
            yield path, value
    elif isinstance(value, Use):
        yield from _listening(value.settings, path)
    else:
        for key, item in items_of(value):
            yield from _listening(item, (*path, key))


def _meet(one: Address, other: Address) -> bool:
    if one.path or other.path:
        return one.path == other.path
    same_host = one.host == other.host or one.host in _ANY or other.host in _ANY
    return same_host and one.port == other.port != 0
