"""What a zrok v2 controller kept, taken over: all of it in one transaction, or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from zrokd.errors import Conflict, Invalid
from zrokd.model.limits import LimitAction
from zrokd.model.naming import check_name, check_zone, new_token
from zrokd.model.share import Permission
from zrokd.service.checks import check_email, check_text, check_token, check_word
from zrokd.service.zrok_database import Row, Rows, flag, number, password_hash, text, time_ms
from zrokd.store import audit, intents, meta, tables
from zrokd.store.base import Table
from zrokd.store.database import Store
from zrokd.store.hashing import digest
from zrokd.wire.modes import mode_from_wire

_Ids = dict[str, int]  # zrok's number of a row -> ours
_More = Callable[[Row], dict[str, Any]]  # columns that a pair has besides


@dataclass(slots=True)
class Report:
    """By kind: how many are new, how many were here, how many stay behind. And what is in the way, in sentences."""

    new: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    conflicts: list[str] = field(default_factory=list)
    written: bool = True


class _UndoneError(Exception):
    """Nothing is to be kept. Never leaves this module."""


def import_zrok(store: Store, rows: Rows, now_ms: int, *, dry_run: bool = False, skip: bool = False) -> Report:
    """Take over what is in `rows`, and tell what came of it. What is here already is kept as it is.

    Nothing is written when something is in the way, unless with `skip`: that is left out then. Environments are told
    to the overlay by the reconciler, as soon as a controller runs. Blocks; other writers wait.
    """
    report = Report()

    def work() -> None:
        _Import(rows, now_ms, report).run()
        report.written = not dry_run and (skip or not report.conflicts)
        if not report.written:
            raise _UndoneError

    with suppress(_UndoneError):
        store.write(work)
    return report


class _Import:
    """One run, inside a transaction. What could break a rule of the schema is looked up before: nothing is tried."""

    def __init__(self, rows: Rows, now_ms: int, report: Report) -> None:
        self._rows, self._now_ms, self._report = rows, now_ms, report
        live = tables.Account.deleted_at_ms.is_null()
        self._emails = {row.email: row.id for row in tables.Account.select().where(live)}
        self._holders = {row.digest: row.account_id for row in tables.AccountToken.select()}
        self._accounts: _Ids = {}
        self._frontends: _Ids = {}
        self._namespaces: _Ids = {}

    def run(self) -> None:
        """All kinds, those first that others stand on."""
        self._accounts = self._each("account", "accounts", "email", self._account)
        self._each("environment", "environments", "z_id", self._environment)
        self._frontends = self._each("frontend", "frontends", "token", self._frontend)
        self._namespaces = self._each("namespace", "namespaces", "token", self._namespace)
        self._each("name", "names", "name", self._name)
        organizations = self._each("organization", "organizations", "token", self._organization)
        classes = self._each("limit class", "limit_classes", "id", self._limit_class)
        whose = {"account": self._accounts}
        where = {"namespace": self._namespaces}
        self._pairs("namespace grant", "namespace_grants", tables.NamespaceGrant, where | whose)
        self._pairs("frontend grant", "frontend_grants", tables.FrontendGrant, {"frontend": self._frontends} | whose)
        served = where | {"frontend": self._frontends}
        self._pairs("mapping", "namespace_frontend_mappings", tables.NamespaceFrontend, served, _mapping)
        member = {"organization": organizations} | whose
        self._pairs("member", "organization_members", tables.OrganizationMember, member, _member)
        self._pairs(
            "applied limit class", "applied_limit_classes", tables.AppliedLimitClass, {"limit_class": classes} | whose
        )
        self._pairs("skip", "skip_interstitial_grants", tables.SkipInterstitialGrant, whose, self._dated)
        self._each("invite", "invite_tokens", "id", self._invite)
        self._report.left.update({"share": len(self._rows["shares"]), "agent": len(self._rows["agent_enrollments"])})
        if self._report.new["mapping"]:
            meta.begin_epoch()  # a frontend that serves more now cannot learn that from deltas
        audit.note("zrok.imported", new=dict(self._report.new))

    # -- how ---

    def _each(self, kind: str, table: str, label: str, take: Callable[[Row], int | None]) -> _Ids:
        """zrok's numbers of the rows that `take` took, and the numbers it gave them."""
        ids: _Ids = {}
        for row in self._rows[table]:
            try:
                ours = take(row)
            except (Conflict, Invalid, ValueError) as error:
                self._report.conflicts.append(f"{kind} {text(row, label)}: {error}")
                continue
            if ours is not None:
                ids[text(row, "id")] = ours
        return ids

    def _pairs(
        self,
        kind: str,
        table: str,
        ours: type[Table],
        of: dict[str, _Ids],
        more: _More = lambda _: {},
    ) -> None:
        """What only says that two things go together."""
        for row in self._rows[table]:
            pair = {name: ids.get(text(row, f"{name}_id")) for name, ids in of.items()}
            if None in pair.values():
                self._report.left[kind] += 1
            elif ours.select().where(*(getattr(ours, name) == value for name, value in pair.items())).exists():
                self._report.kept[kind] += 1
            else:
                ours.create(**pair, **more(row))
                self._report.new[kind] += 1

    def _keep(self, kind: str, ours: int) -> int:
        self._report.kept[kind] += 1
        return ours

    def _make(self, kind: str, table: type[Table], **values: Any) -> int:
        self._report.new[kind] += 1
        made: int = table.create(**values).id
        return made

    def _times(self, row: Row) -> dict[str, int]:
        return {f"{name}_ms": time_ms(row, name, self._now_ms) for name in ("created_at", "updated_at")}

    def _dated(self, row: Row) -> dict[str, Any]:
        return {"created_at_ms": time_ms(row, "created_at", self._now_ms)}

    # -- one of each ---

    def _account(self, row: Row) -> int:
        email = check_email(text(row, "email"))
        secret = digest(check_token(text(row, "token"), f"account {email}"))
        here, holder = self._emails.get(email), self._holders.get(secret)
        if here is not None:
            if here == holder:
                return self._keep("account", here)
            raise Conflict("there is an account of this address with other tokens; delete it first")
        if holder is not None:
            raise Conflict("its token is another account's")
        values = {"email": email, "password_hash": password_hash(row), "limitless": flag(row, "limitless")}
        made = self._make("account", tables.Account, **values, **self._times(row))
        tables.AccountToken.create(account=made, digest=secret, created_at_ms=self._now_ms)
        self._emails[email] = self._holders[secret] = made
        return made

    def _environment(self, row: Row) -> int | None:
        account = self._accounts.get(text(row, "account_id"))
        if account is None:
            self._report.left["environment"] += 1
            return None
        z_id = text(row, "z_id")
        here = tables.Environment.get_or_none(tables.Environment.z_id == z_id)
        if here is not None:
            if here.account_id == account:
                return self._keep("environment", here.id)
            raise Conflict("another account has it")
        if not 0 < len(z_id) <= 128 or intents.find(intents.ENVIRONMENT, z_id):
            raise Conflict("it is being changed right now, or has no identity")
        intents.begin(intents.ADOPT, intents.ENVIRONMENT, z_id, "", self._now_ms)
        values = {"account": account, "z_id": z_id, "live": True, "address": text(row, "address")[:64]}
        texts = {name: text(row, name)[:1024] for name in ("description", "host")}
        return self._make("environment", tables.Environment, **values, **texts, **self._times(row))

    def _frontend(self, row: Row) -> int | None:
        if text(row, "environment_id"):
            self._report.left["access"] += 1
            return None
        token = check_token(text(row, "token"), "a frontend")
        here = tables.Frontend.get_or_none(tables.Frontend.token == token)
        if here is not None:
            return self._keep("frontend", here.id)
        name = check_word(text(row, "public_name") or token, "name of a frontend")
        if tables.Frontend.select().where(tables.Frontend.name == name).exists():
            raise Conflict(f"there is a frontend {name!r} already")
        return self._make(
            "frontend",
            tables.Frontend,
            name=name,
            token=token,
            digest=digest(new_token() + new_token()),  # no text is known that has it
            z_id=text(row, "z_id")[:128],
            url_template=check_text(text(row, "url_template"), "URL template", 1024),
            permission=Permission(text(row, "permission_mode") or "open").value,
            dynamic=flag(row, "dynamic"),
            **self._times(row),
        )

    def _namespace(self, row: Row) -> int:
        token, zone = text(row, "token"), check_zone(text(row, "name").lower())
        live = tables.Namespace.deleted_at_ms.is_null()
        here = tables.Namespace.get_or_none(live & (tables.Namespace.token == token))
        if here is not None:
            if here.zone == zone:
                return self._keep("namespace", here.id)
            raise Conflict(f"here its zone is {here.zone}, and there {zone}")
        if tables.Namespace.select().where(live, tables.Namespace.zone == zone).exists():
            raise Conflict(f"another namespace has the zone {zone}")
        values = {"token": token, "zone": zone, "description": text(row, "description")[:1024]}
        scheme = "https" if self._is_served_by_tls(row) else "http"
        more = {"open": flag(row, "open"), "url": f"{scheme}://{{host}}"}
        return self._make("namespace", tables.Namespace, **values, **more, **self._times(row))

    def _is_served_by_tls(self, namespace: Row) -> bool:
        mappings = self._rows["namespace_frontend_mappings"]
        serving = {text(row, "frontend_id") for row in mappings if row["namespace_id"] == namespace["id"]}
        templates = (text(row, "url_template") for row in self._rows["frontends"] if text(row, "id") in serving)
        return any(template.startswith("https:") for template in templates)

    def _name(self, row: Row) -> int | None:
        namespace, account = (ids.get(text(row, key)) for ids, key in (
            (self._namespaces, "namespace_id"), (self._accounts, "account_id")
        ))  # fmt: skip
        if namespace is None or account is None or not flag(row, "reserved"):
            self._report.left["name"] += 1
            return None
        name, live = check_name(text(row, "name")), tables.Name.deleted_at_ms.is_null()
        here = tables.Name.get_or_none(live & (tables.Name.namespace == namespace) & (tables.Name.name == name))
        if here is not None:
            if here.account_id == account:
                return self._keep("name", here.id)
            raise Conflict("another account has it")
        return self._make("name", tables.Name, namespace=namespace, account=account, name=name, **self._times(row))

    def _organization(self, row: Row) -> int:
        token = text(row, "token")
        here = tables.Organization.get_or_none(tables.Organization.token == token)
        if here is not None:
            return self._keep("organization", here.id)
        description = text(row, "description")[:128]
        return self._make("organization", tables.Organization, token=token, description=description, **self._dated(row))

    def _limit_class(self, row: Row) -> int:
        label = text(row, "label") or f"zrok-{text(row, 'id')}"
        wanted = _limits(row)
        here = tables.LimitClass.get_or_none(tables.LimitClass.label == label)
        if here is not None:
            if all(getattr(here, name) == value for name, value in wanted.items()):
                return self._keep("limit class", here.id)
            raise Conflict(f"there is a limit class {label!r} with other numbers")
        return self._make("limit class", tables.LimitClass, label=label, **wanted, **self._times(row))

    def _invite(self, row: Row) -> int | None:
        secret = digest(text(row, "token"))
        here = tables.Invite.get_or_none(tables.Invite.digest == secret)
        if here is not None:
            return self._keep("invite", here.id)
        return self._make("invite", tables.Invite, digest=secret, created_at_ms=self._now_ms)


def _limits(row: Row) -> dict[str, Any]:
    """zrok's numbers as ours. Reserved shares and unique names both count names: the smaller one holds."""
    names = [count for count in (number(row, "reserved_shares", -1), number(row, "unique_names", -1)) if count >= 0]
    plain = ("environments", "shares", "rx_bytes", "tx_bytes", "total_bytes")
    return {name: number(row, name, -1) for name in plain} | {
        "names": min(names, default=-1),
        "accesses": number(row, "share_frontends", -1),
        "period_minutes": number(row, "period_minutes", 1440),
        "backend_mode": mode_from_wire(text(row, "backend_mode")),
        "limit_action": LimitAction(text(row, "limit_action") or "limit").value,
    }


def _mapping(row: Row) -> dict[str, Any]:
    return {"is_default": flag(row, "is_default")}


def _member(row: Row) -> dict[str, Any]:
    return {"admin": flag(row, "admin")}
