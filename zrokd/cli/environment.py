"""`zrokd enable`, `disable`, `status`, `overview`."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from zrokd.cli import session, standing
from zrokd.cli.output import JSON, clean, emit, say
from zrokd.errors import Denied, NotFound, Unavailable, ZrokdError
from zrokd.model.audit import local_user
from zrokd.wire.binds import standing_to_wire

if TYPE_CHECKING:
    from zrokd.client.environment import EnabledEnvironment
    from zrokd.model.bind import Standing


@click.command()
@click.argument("token", required=False)
@click.option("--token-file", metavar="FILE", help="Read the token from FILE; - is standard input.")
@click.option("--controller", metavar="URL", help="The controller; or set ZROKD_CONTROLLER.")
@click.option("--ca", metavar="FILE", help="Check the controller with the certificates in FILE; or set ZROKD_CA.")
@click.option("-d", "--description", default="", help="What this machine is called; default: user@host.")
@click.option("--headless", is_flag=True, help="Accepted for zrok's sake; nothing is asked anyway.")
@JSON
def enable(
    token: str | None,
    token_file: str | None,
    controller: str | None,
    ca: str | None,
    description: str,
    *,
    headless: bool,  # noqa: ARG001
    as_json: bool,
) -> None:
    """Let this machine share, with the TOKEN of an account.

    Other users of this machine can see a TOKEN on the command line; --token-file keeps it from them.
    """
    from zrokd.client.controller import Controller
    from zrokd.client.environment import EnabledEnvironment, EnvironmentFile, default_folder
    from zrokd.model.units import Secret

    file = EnvironmentFile(default_folder())
    if file.load() is not None:
        raise click.ClickException(f"this machine is enabled already ({file.path}); run zrokd disable first")
    secret = Secret(_token(token, token_file))
    certificates = session.ca_file(given=ca)
    client = Controller(session.controller_url(controller), secret, verify=certificates or True)
    try:
        identity = client.enable(description or f"{local_user()}@{platform.node()}", _host())
        fresh = EnabledEnvironment(controller=client.url, account_token=secret, identity=identity, ca=certificates)
        try:
            file.save(fresh)
        except ZrokdError:
            client.disable(identity.z_id)  # nobody could ever use it
            raise
    finally:
        client.close()
    if as_json:
        emit({"event": "enabled", "environment": identity.z_id, "controller": client.url})
    else:
        say(f"this machine is enabled as environment {identity.z_id}; next: zrokd share public http://127.0.0.1:3000")


def _token(token: str | None, token_file: str | None) -> str:
    if (token is None) == (token_file is None):
        raise click.UsageError("give a TOKEN or --token-file FILE")
    if token is not None and token != "-":  # noqa: S105  # standard input
        return token
    return session.read_token(token_file or "-")


def _host() -> str:
    names = platform.uname()
    return "; ".join([names.system.lower(), names.node, names.release, names.machine])


@click.command()
@click.option("--force", is_flag=True, help="Forget it here also when the controller cannot be reached.")
@JSON
def disable(*, force: bool, as_json: bool) -> None:
    """End this machine's shares and accesses, and forget its environment.

    Also when the account is gone, or its token revoked: then nothing is left to end there.
    """
    from zrokd.client.environment import EnvironmentFile, default_folder

    environment = session.enabled()
    try:
        _disable_there(environment)
    except Unavailable as error:
        if not force:
            raise Unavailable(f"{error} zrokd disable --force forgets this machine's part only") from error
        say(f"the controller does not answer, so what it keeps of environment {environment.identity.z_id} stays there")
    EnvironmentFile(default_folder()).delete()
    if as_json:
        emit({"event": "disabled", "environment": environment.identity.z_id})
    else:
        say("this machine is disabled")


def _disable_there(environment: EnabledEnvironment) -> None:
    """:raises Unavailable: the controller does not answer."""
    try:
        with session.controller_of(environment) as controller:
            controller.disable(environment.identity.z_id)
    except NotFound:
        say("the controller did not know this environment any more")
    except Denied:
        say("the controller does not accept this machine's token any more, so only what is here was forgotten")


@click.command()
@click.option("--secrets", is_flag=True, help="Show the account token.")
@JSON
def status(*, secrets: bool, as_json: bool) -> None:
    """Show what this machine knows of itself, and how what it shares stands. Asks nobody."""
    from zrokd.client.binds import binds_folder, read_binds
    from zrokd.client.environment import EnvironmentFile, default_folder

    folder = default_folder()
    backends = read_binds(binds_folder(folder, folder))
    found = EnvironmentFile(folder).load()
    facts = {
        "enabled": found is not None,
        "folder": str(folder),
        "controller": found.controller if found else session.controller_url(None),
        "environment": found.identity.z_id if found else "",
        "account_token": _shown(found, secrets=secrets),
    }
    if as_json:
        emit(facts | {"backends": backends})
        return
    for name, value in facts.items():
        text = ("yes" if value else "no") if isinstance(value, bool) else value
        click.echo(f"{name.replace('_', ' '):15}{clean(text)}".rstrip())
    for sentence in standing.of_backends(backends, time.time()):
        click.echo(clean(sentence))


def _shown(found: EnabledEnvironment | None, *, secrets: bool) -> str:
    if found is None:
        return ""
    return found.account_token.reveal() if secrets else str(found.account_token)


@click.command()
@JSON
def overview(*, as_json: bool) -> None:
    """Show the account's environments with their shares and accesses, its names and namespaces.

    What a killed zrokd of this machine left there is ended first.
    """
    environment = session.enabled()
    with session.controller_of(environment) as controller:
        session.settle(environment, controller)
        found, stand = controller.overview(), standing.ask(controller)
    if as_json:
        emit(found | {"binds": [standing_to_wire(one) for one in stand.values()]})
        return
    for item in found.get("environments", []):
        _print_environment(item, environment.identity.z_id, stand)
    names = [f"{name.get('name')}.{name.get('namespaceName')}" for name in found.get("names", [])]
    click.echo(f"names: {clean(', '.join(names) or 'none')}")
    spaces = [f"{space.get('namespaceToken')} ({space.get('name')})" for space in found.get("namespaces", [])]
    click.echo(f"namespaces: {clean(', '.join(spaces) or 'none')}")


def _print_environment(item: dict[str, object], here: str, stand: Mapping[str, Standing]) -> None:
    about = item.get("environment")
    if not isinstance(about, dict):
        raise Unavailable("the controller's answer makes no sense: an environment is missing in it")
    mark = " (this machine)" if about.get("zId") == here else ""
    click.echo(f"environment {clean(about.get('zId'))} {clean(about.get('description', ''))}{mark}")
    for share in _dicts(item.get("shares")):
        ends = share.get("frontendEndpoints")
        where = ", ".join(map(str, ends)) if isinstance(ends, list) else ""
        target = f" -> {share.get('target')}" if share.get("target") else ""
        click.echo(f"  share {clean(share.get('shareToken'))} {clean(session.mode_of(share))} {clean(where + target)}")
        if (one := stand.get(str(share.get("shareToken")))) is not None:
            click.echo(f"    {clean(standing.sentence(one, time.time()))}")
    for access in _dicts(item.get("frontends")):
        whose, bind = clean(access.get("shareToken")), clean(access.get("bindAddress") or "")
        click.echo(f"  access {clean(access.get('frontendToken'))} to {whose} {bind}".rstrip())


def _dicts(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
