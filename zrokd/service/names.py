"""Reserved names."""

from __future__ import annotations

from zrokd.errors import Conflict, NotFound
from zrokd.model.account import Principal
from zrokd.model.naming import Name, Namespace, check_name
from zrokd.service import limits
from zrokd.service.core import Core, account_of
from zrokd.service.drafts import usable_namespace
from zrokd.store import audit, names, namespaces, receipts


class Names:
    """Names of the principal's account, and the namespaces open to it."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self, namespace: str, name: str, principal: Principal) -> Name:
        """Reserve a name.

        :raises NotFound: no such namespace that the account may use. :raises Invalid: says the rule.
        :raises Conflict: taken. :raises LimitReached: the account may have no more.
        """
        return self._core.store.write(self._create, namespace, check_name(name), account_of(principal))

    def modify(self, namespace: str, name: str, principal: Principal, *, reserved: bool) -> None:
        """Keep a name when its share ends, or let it end too: at once when no share uses it.

        :raises NotFound: none of the account's. :raises LimitReached: the account may reserve no more.
        """
        self._core.store.write(self._modify, namespace, name, account_of(principal), reserved=reserved)

    def delete(self, namespace: str, name: str, principal: Principal) -> None:
        """Give a name back. :raises NotFound: none of the account's. :raises Conflict: a share uses it."""
        self._core.store.write(self._delete, namespace, name, account_of(principal))

    def list(self, principal: Principal, namespace: str | None = None) -> tuple[Name, ...]:
        """The account's, of one namespace or all, oldest first. :raises NotFound: no such namespace."""
        return self._core.store.read(_list, account_of(principal), namespace)

    def namespaces(self, principal: Principal) -> tuple[Namespace, ...]:
        """Those in which the account may reserve names: open ones and granted ones."""
        return self._core.store.read(namespaces.usable, account_of(principal))

    def _create(self, namespace: str, name: str, account_id: int) -> Name:
        now_ms = self._core.clock.now_ms()
        namespace_id = usable_namespace(namespace, account_id)
        limits.room_for_name(account_id, self._core.limits, now_ms)
        names.add(namespace_id, account_id, name, now_ms, reserved=True)
        audit.note("name.created", name, namespace=namespace)
        made = next(made for made in names.of_account(account_id, namespace_id) if made.name == name)
        receipts.made(made)
        return made

    def _modify(self, namespace: str, name: str, account_id: int, *, reserved: bool) -> None:
        now_ms, held = self._core.clock.now_ms(), _require(namespace, name, account_id)
        if not reserved and held.share_id is None:
            names.remove(held.id, now_ms)
        elif reserved != held.reserved:
            if reserved:
                limits.room_for_name(account_id, self._core.limits, now_ms)
            names.set_reserved(held.id, now_ms, reserved=reserved)
        audit.note("name.changed", name, namespace=namespace, reserved=reserved)

    def _delete(self, namespace: str, name: str, account_id: int) -> None:
        held = _require(namespace, name, account_id)
        if held.share_id is not None:
            raise Conflict(f"the name {name!r} is in use by a share; end the share first")
        names.remove(held.id, self._core.clock.now_ms())
        audit.note("name.deleted", name, namespace=namespace)


def _require(namespace: str, name: str, account_id: int) -> names.Held:
    found = namespaces.find(namespace)
    held = names.find(found[0], name) if found else None
    if held is None or held.account_id != account_id:
        raise NotFound("no such name")
    return held


def _list(account_id: int, namespace: str | None) -> tuple[Name, ...]:
    if namespace is None:
        return names.of_account(account_id)
    found = namespaces.find(namespace)
    mine = names.of_account(account_id, found[0]) if found else ()
    if found is None or not (mine or namespaces.is_usable(found[0], account_id)):
        raise NotFound(f"no namespace {namespace!r} that you may use")
    return mine
