"""Rules over a whole file: what is right in each part, and cannot be true of all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zrokd.config.tree import KeyPath, Tree, dotted
from zrokd.config.values import find_all
from zrokd.config.words import guess
from zrokd.model.units import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zrokd.contracts import Use

_ANY = ("", "0.0.0.0", "::", "*")  # noqa: S104  only compared with


def refuse_ports_taken_twice(value: Any, tree: Tree) -> None:
    """Two that listen on one address: the second is a mistake."""
    taken: list[tuple[KeyPath, Address]] = []
    for path, address in find_all(Address, value):
        if path[-1] != "listen":
            continue
        for other, first in taken:
            if meet(address, first):
                tree.refuse(f"{address} is taken by {dotted(tree.as_written(other))}; choose another port", path)
        taken.append((path, address))


def warn_of_gates_unknown(roles: Mapping[str, Use], tree: Tree) -> None:
    """Shares that choose a gate which no frontend of this file has. One elsewhere may have it, so it is no mistake."""
    frontends = _frontends(roles)
    known = {name for frontend in frontends for name in frontend.gates}
    for path, gate in find_all(str, dict(roles), ("roles",)) if frontends else ():
        if path[-1] == "gate" and gate and gate not in known:
            sentence = f"no frontend in this file has a gate {gate!r}; where none has it, visitors get 503"
            tree.warnings.append(tree.problem(sentence, path, hint=guess(gate, known)))


def warn_of_plain_urls(roles: Mapping[str, Use], tree: Tree) -> None:
    """Namespaces whose URLs begin with http:// beside a frontend that speaks TLS only."""
    if not any(getattr(frontend, "tls", None) for frontend in _frontends(roles)):
        return
    for path, url in find_all(str, dict(roles), ("roles",)):
        if path[-3::2] == ("namespaces", "url") and url.startswith("http://"):
            sentence = f"these are URLs without TLS, and a frontend in this file speaks nothing else: {url}"
            tree.warnings.append(tree.problem(sentence, path, hint=f"write {url.replace('http', 'https', 1)}"))


def _frontends(roles: Mapping[str, Use]) -> list[Any]:
    """The settings of roles that let visitors in: those with gates."""
    return [role.settings for role in roles.values() if isinstance(getattr(role.settings, "gates", None), dict)]


def meet(one: Address, other: Address) -> bool:
    """Whether two that listen would stand in each other's way."""
    if one.path or other.path:
        return one.path == other.path
    same_host = one.host == other.host or one.host in _ANY or other.host in _ANY
    return same_host and one.port == other.port != 0
