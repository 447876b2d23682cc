"""`zrokd create|modify|delete|list`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from zrokd.cli import session
from zrokd.cli.misuse import asked_for, valid_name
from zrokd.cli.output import JSON, emit, say, table
from zrokd.errors import Conflict

if TYPE_CHECKING:
    from zrokd.client.controller import Controller

_NAME = click.argument("name", callback=valid_name)
_NAMESPACE = click.option("-n", "--namespace", default="public", show_default=True, help="Token of the namespace.")


@click.group()
def create() -> None:
    """Reserve a name."""


@create.command("name")
@_NAME
@_NAMESPACE
@JSON
def create_name(name: str, namespace: str, *, as_json: bool) -> None:
    """Reserve NAME: shares may come and go under it."""
    with session.controller_of(session.enabled()) as controller:
        try:
            controller.create_name(namespace, name)
        except Conflict as error:
            if any(held.name == name for held in controller.list_names(namespace)):
                raise Conflict(f"the name {name!r} is yours already") from error
            raise
    _told({"event": "name_created", "namespace": namespace, "name": name}, f"{name} is yours", as_json=as_json)


@click.group()
def modify() -> None:
    """Change a name."""


@modify.command("name")
@_NAME
@_NAMESPACE
@click.option(
    "--reserved/--ephemeral",
    required=True,
    help="Keep it when its share ends, or let it end too: at once when it has none.",
)
@JSON
def modify_name(name: str, namespace: str, *, reserved: bool, as_json: bool) -> None:
    """Keep NAME when its share ends, or let it end with its share."""
    with session.controller_of(session.enabled()) as controller, asked_for(name=name):
        controller.modify_name(namespace, name, reserved=reserved)
    told = {"event": "name_modified", "namespace": namespace, "name": name, "reserved": reserved}
    kept = "is reserved now" if reserved else "ends with its share, and at once when it has none"
    _told(told, f"{name} {kept}", as_json=as_json)


@click.group()
def delete() -> None:
    """Give back a name, or end a share, an access or an environment."""


@delete.command("name")
@_NAME
@_NAMESPACE
@JSON
def delete_name(name: str, namespace: str, *, as_json: bool) -> None:
    """Give NAME back. A share must not be using it."""
    with session.controller_of(session.enabled()) as controller, asked_for(name=name):
        controller.delete_name(namespace, name)
    _told({"event": "name_deleted", "namespace": namespace, "name": name}, f"{name} is free", as_json=as_json)


@delete.command("share")
@click.argument("token")
@click.option("--environment", metavar="ID", help="Where it runs; default: this machine.")
@JSON
def delete_share(token: str, environment: str | None, *, as_json: bool) -> None:
    """End the share TOKEN; its visitors are cut."""
    here = session.enabled()
    z_id = environment or here.identity.z_id
    with session.controller_of(here) as controller, asked_for(share=token, environment=z_id):
        controller.unshare(z_id, token)
    _told({"event": "share_deleted", "share": token}, f"share {token} is ended", as_json=as_json)


@delete.command("access")
@click.argument("token")
@click.option("--environment", metavar="ID", help="Where it runs; default: this machine.")
@JSON
def delete_access(token: str, environment: str | None, *, as_json: bool) -> None:
    """End the access TOKEN."""
    here = session.enabled()
    z_id = environment or here.identity.z_id
    with session.controller_of(here) as controller, asked_for(access=token, environment=z_id):
        share = next((row["share"] for row in _accesses(controller.overview()) if row["access"] == token), "")
        controller.unaccess(z_id, share, token)
    _told({"event": "access_deleted", "access": token}, f"access {token} is ended", as_json=as_json)


@delete.command("environment")
@click.argument("environment")
@JSON
def delete_environment(environment: str, *, as_json: bool) -> None:
    """End another ENVIRONMENT of the account's, with its shares; for this machine's own use zrokd disable."""
    here = session.enabled()
    if environment == here.identity.z_id:
        raise click.ClickException("this is this machine's own environment; use zrokd disable")
    with session.controller_of(here) as controller, asked_for(environment=environment):
        controller.disable(environment)
    told = {"event": "environment_deleted", "environment": environment}
    _told(told, f"environment {environment} is ended", as_json=as_json)


@click.group("list")
def listing() -> None:
    """List names, namespaces, shares, accesses or environments.

    What a killed zrokd of this machine left there is ended first.
    """


@listing.command("names")
@click.option("-n", "--namespace", default="", help="Only those of this namespace.")
@JSON
def list_names(namespace: str, *, as_json: bool) -> None:
    """The account's names, and which share uses each."""
    with _settled() as controller:
        found = controller.list_names(namespace)
    rows = [
        {"name": n.name, "namespace": n.namespace, "host": n.host, "share": n.share_token, "reserved": n.reserved}
        for n in found
    ]
    columns = ("name", "namespace", "host", "share", "reserved")
    table(rows, columns, as_json=as_json, none="no names; make one: zrokd create name NAME")


@listing.command("namespaces")
@JSON
def list_namespaces(*, as_json: bool) -> None:
    """The namespaces in which the account may reserve names."""
    with _settled() as controller:
        found = controller.list_namespaces()
    rows = [{"namespace": n.token, "zone": n.zone, "description": n.description} for n in found]
    table(rows, ("namespace", "zone", "description"), as_json=as_json, none="no namespace is open to this account")


@listing.command("shares")
@JSON
def list_shares(*, as_json: bool) -> None:
    """The account's shares."""
    columns = ("share", "mode", "access", "endpoints", "target", "environment")
    table(_shares(_overview()), columns, as_json=as_json, none="no shares")


@listing.command("accesses")
@JSON
def list_accesses(*, as_json: bool) -> None:
    """The account's private accesses."""
    columns = ("access", "share", "mode", "address", "environment")
    table(_accesses(_overview()), columns, as_json=as_json, none="no accesses")


@listing.command("environments")
@JSON
def list_environments(*, as_json: bool) -> None:
    """The account's environments."""
    rows = [
        {
            "environment": item["environment"].get("zId"),
            "description": item["environment"].get("description", ""),
            "host": item["environment"].get("host", ""),
            "shares": len(item.get("shares") or []),
            "accesses": len(item.get("frontends") or []),
        }
        for item in _overview().get("environments", [])
    ]
    columns = ("environment", "description", "host", "shares", "accesses")
    table(rows, columns, as_json=as_json, none="no environments")


@contextlib.contextmanager
def _settled() -> Iterator[Controller]:
    """The controller, after what a killed zrokd left there was ended."""
    environment = session.enabled()
    with session.controller_of(environment) as controller:
        session.settle(environment, controller)
        yield controller


def _overview() -> dict[str, Any]:
    with _settled() as controller:
        return controller.overview()


def _shares(overview: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "share": share.get("shareToken"),
            "mode": session.mode_of(share),
            "access": share.get("shareMode"),
            "endpoints": share.get("frontendEndpoints") or [],
            "target": share.get("target", ""),
            "environment": item["environment"].get("zId"),
        }
        for item in overview.get("environments", [])
        for share in item.get("shares") or []
    ]


def _accesses(overview: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "access": access.get("frontendToken"),
            "share": access.get("shareToken"),
            "mode": session.mode_of(access),
            "address": access.get("bindAddress", ""),
            "environment": item["environment"].get("zId"),
        }
        for item in overview.get("environments", [])
        for access in item.get("frontends") or []
    ]


def _told(event: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        emit(event)
    else:
        say(sentence)
