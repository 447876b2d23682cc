"""`zrokd admin`: the operator's side of a controller's API, and of its overlay."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from zrokd import hookimpl
from zrokd.contracts import Command
from zrokd.errors import NotFound
from zrokd.wire import client as wire

from . import limits, skips
from .audit import audit
from .desk import DEFAULT, Desk, at_desk, first_line, with_options
from .import_zrok import import_zrok

if TYPE_CHECKING:
    from zrokd.config.load import Configuration, Lookup
    from zrokd.contracts import Overlay, Step


class AdminCommand(Command):
    """Accounts, namespaces, frontends, upkeep, the overlay."""

    name = "admin"

    def configure(self) -> click.Group:
        """The group."""
        return admin


@click.group()
@with_options
@click.pass_context
def admin(
    ctx: click.Context, controller: str | None, secret_file: str | None, ca: str | None, *, as_json: bool
) -> None:
    """Manage a controller: accounts, namespaces, frontends, and what it has on the overlay."""
    url = controller or os.environ.get("ZROKD_CONTROLLER") or DEFAULT
    registry = ctx.obj and ctx.obj["registry"]
    ctx.obj = Desk(url, secret_file, ca or os.environ.get("ZROKD_CA"), registry, as_json=as_json)


admin.add_command(audit)
admin.add_command(import_zrok)


@admin.group()
def create() -> None:
    """Make an account, a namespace, a limit class."""


@admin.group()
def delete() -> None:
    """End an account, a namespace, a limit class."""


@admin.group(name="list")
def list_() -> None:
    """Show accounts, namespaces or frontends."""


for _group, _command in (
    (create, limits.create_class),
    (create, limits.create_applied),
    (delete, limits.delete_class),
    (delete, limits.delete_applied),
    (list_, limits.list_classes),
    (list_, limits.list_applied),
    (create, skips.create_skip),
    (delete, skips.delete_skip),
    (list_, skips.list_skip),
):
    _group.add_command(_command)


@admin.group()
def regenerate() -> None:
    """Replace what is secret."""


# -- accounts ---


@create.command("account")
@click.argument("email")
@click.option("--password-file", metavar="FILE", help="Its password; without one it signs in by token alone.")
@at_desk
def create_account(desk: Desk, email: str, password_file: str | None) -> None:
    """Make an account, and print its token: it is shown this once."""
    password = first_line(password_file) if password_file else ""
    token = wire.account_token_from_wire(desk.call("POST", "/account", wire.body(email=email, password=password)))
    desk.say({"email": email, "token": token}, token)


@delete.command("account")
@click.argument("email")
@at_desk
def delete_account(desk: Desk, email: str) -> None:
    """End an account with its environments, shares and names."""
    desk.call("DELETE", "/account", wire.body(email=email), of=email)
    desk.say({"email": email, "deleted": True}, f"account {email} is deleted")


@list_.command("accounts")
@at_desk
def list_accounts(desk: Desk) -> None:
    """Show all accounts."""
    emails = wire.accounts_from_wire(desk.call("GET", "/zrokd/accounts"))
    for email in emails:
        desk.say({"email": email}, email)
    if not emails:
        desk.none("no accounts; make one: zrokd admin create account EMAIL")


@regenerate.command("token")
@click.argument("email")
@at_desk
def regenerate_token(desk: Desk, email: str) -> None:
    """Give an account a new token, and print it; all its others are void at once."""
    token = wire.account_token_from_wire(desk.call("POST", "/zrokd/accounts/token", wire.body(email=email), of=email))
    desk.say({"email": email, "token": token}, token)


# -- namespaces and frontends ---


@create.command("namespace")
@click.argument("zone")
@click.option("--token", default="", help="What it is called; made when left out.")
@click.option("--description", default="", help="What it is for.")
@click.option("--open", "is_open", is_flag=True, help="Every account may use it.")
@at_desk
def create_namespace(desk: Desk, zone: str, token: str, description: str, *, is_open: bool) -> None:
    """Make a namespace: names below the DNS zone ZONE. Which frontends serve it stands in the controller's YAML."""
    document = wire.body(name=zone, token=token, description=description, open=is_open)
    made = wire.created_namespace_from_wire(desk.call("POST", "/namespace", document))
    desk.say({"namespace": made, "zone": zone}, made)


@delete.command("namespace")
@click.argument("namespace")
@at_desk
def delete_namespace(desk: Desk, namespace: str) -> None:
    """End a namespace with the names in it; refused while shares use them."""
    desk.call("DELETE", "/namespace", wire.body(namespace=namespace))
    desk.say({"namespace": namespace, "deleted": True}, f"namespace {namespace} is deleted")


@list_.command("namespaces")
@at_desk
def list_namespaces(desk: Desk) -> None:
    """Show all namespaces."""
    items = wire.namespaces_from_wire(desk.call("GET", "/namespaces"))
    for item in items:
        entry = {"namespace": item.token, "zone": item.zone, "open": item.open, "description": item.description}
        whose = "open" if item.open else "granted"
        desk.say(entry, f"{item.token}  {item.zone}  {whose}  {item.description}".rstrip())
    if not items:
        desk.none("no namespaces; make one: zrokd admin create namespace ZONE")


@list_.command("frontends")
@at_desk
def list_frontends(desk: Desk) -> None:
    """Show all frontends."""
    names = wire.frontends_from_wire(desk.call("GET", "/zrokd/frontends"))
    for name in names:
        desk.say({"frontend": name}, name)
    if not names:
        desk.none("no frontends; the controller's YAML names them")


@admin.command()
@click.argument("namespace")
@click.argument("email")
@at_desk
def grant(desk: Desk, namespace: str, email: str) -> None:
    """Let an account use a namespace that is not open."""
    desk.call("POST", "/namespace/grant", wire.body(namespace=namespace, email=email))
    desk.say({"namespace": namespace, "email": email, "granted": True}, f"{email} may use {namespace}")


@admin.command()
@click.argument("namespace")
@click.argument("email")
@at_desk
def revoke(desk: Desk, namespace: str, email: str) -> None:
    """Take that back; names taken so far stay."""
    desk.call("DELETE", "/namespace/grant", wire.body(namespace=namespace, email=email))
    desk.say({"namespace": namespace, "email": email, "granted": False}, f"{email} may not use {namespace} any more")


# -- upkeep ---


@admin.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@at_desk
def reconcile(desk: Desk, *, dry_run: bool) -> None:
    """Make store and overlay equal now, and print what was done."""
    answer = desk.call("POST", f"/zrokd/reconcile?dry_run={int(dry_run)}")
    actions = wire.reconciled_from_wire(answer)
    for action in actions:
        desk.say({"action": action, "done": not dry_run}, action)
    if not actions:
        click.echo("store and overlay are equal", err=True)


# -- the overlay: read from the controller's YAML, no daemon needed ---

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Only show what would be done.")


@admin.command()
@_FILE
@_DRY_RUN
@at_desk
def bootstrap(desk: Desk, file: Path, *, dry_run: bool) -> None:
    """Make on the overlay what the controller of FILE needs there before anything is shared."""
    with _overlay_of(file, desk.registry) as (overlay, instance):
        _tell(desk, overlay.bootstrap(instance, dry_run=dry_run))


@admin.command()
@_FILE
@_DRY_RUN
@click.option("--yes", is_flag=True, help="Do not ask before.")
@at_desk
def unbootstrap(desk: Desk, file: Path, *, dry_run: bool, yes: bool) -> None:
    """Take away all that the controller of FILE has on the overlay: shares and identities, too."""
    if not (dry_run or yes):
        click.confirm("All shares and identities of this controller go, too. Go on?", abort=True, err=True)
    with _overlay_of(file, desk.registry) as (overlay, instance):
        _tell(desk, overlay.unbootstrap(instance, dry_run=dry_run))


def _tell(desk: Desk, steps: Sequence[Step]) -> None:
    for step in steps:
        desk.say({"action": step.action, "what": step.what}, str(step))
    if not steps:
        click.echo("there is nothing to do on this overlay", err=True)


@contextmanager
def _overlay_of(file: Path, registry: Lookup) -> Iterator[tuple[Overlay, str]]:
    """The overlay of a configuration, not open, and what its controller's objects there are tagged with.

    :raises ConfigError: the file is wrong. :raises NotFound: it has no overlay, or no controller.
    """
    from zrokd.config.load import load
    from zrokd.config.offline import component_of

    configuration = load(file, registry=registry)
    if configuration.overlay is None:
        raise NotFound("this configuration has no overlay")
    overlay = cast("Overlay", component_of(configuration, configuration.overlay))
    try:
        yield overlay, _instance_of(configuration)
    finally:
        overlay.close()


def _instance_of(configuration: Configuration) -> str:
    """The controller's `instance`: from the YAML, else from its database."""
    controllers = [plan for plan in configuration.roles.values() if plan.name == "controller"]
    if not controllers:
        raise NotFound("this configuration has no role controller: only a controller has things on the overlay")
    written: str = controllers[0].settings.instance  # type: ignore[attr-defined] # of the role that is so called
    return written or _instance_in_database(configuration)


def _instance_in_database(configuration: Configuration) -> str:
    from zrokd.config.offline import storage_of
    from zrokd.store import migrate
    from zrokd.store.database import Store
    from zrokd.store.meta import instance_id

    hint = "write roles.controller.instance, or start the controller once"
    try:
        with storage_of(configuration) as storage:
            if any(step.pending for step in migrate.status(storage.database())):
                raise NotFound("its database is not up to date")
            return Store(storage.database()).write(instance_id)
    except NotFound as error:
        raise NotFound(f"which instance is this? {error}; {hint}") from error


@hookimpl
def zrokd_provide_commands() -> Iterable[type[Command]]:
    """The command of this module."""
    return [AdminCommand]
