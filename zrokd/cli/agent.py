"""`zrokd agent enroll|unenroll|start|status`: let an account command this machine through the controller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zrokd.cli import session
from zrokd.cli.output import JSON, clean, emit, say
from zrokd.errors import Invalid, NotFound, StartError

if TYPE_CHECKING:
    from zrokd.client.enrolment import EnrolmentFile
    from zrokd.client.environment import EnabledEnvironment


@click.group()
def agent() -> None:
    """Let the account share and open things on this machine from afar.

    Off unless `zrokd agent enroll` was run here. Whoever has a token of the account of the scope share, or account, may
    then share any port and folder of this machine that the agent's user can read.
    """


@agent.command()
@click.option("--headless", is_flag=True, help="Accepted for zrok's sake; nothing is asked anyway.")
@JSON
def enroll(*, headless: bool, as_json: bool) -> None:  # noqa: ARG001
    """Let the account command the agent of this machine; `zrokd agent start` runs it."""
    from zrokd.client.enrolment import enrol

    environment = session.enabled()
    file, z_id = _file(), environment.identity.z_id
    with session.controller_of(environment) as controller:
        if file.load(z_id) and controller.is_agent_enrolled(z_id):
            raise click.ClickException("this machine's agent is enrolled already; zrokd agent unenroll takes that back")
        token = enrol(controller, file, z_id)
    if as_json:
        emit({"event": "agent_enrolled", "environment": z_id, "token": token})
    else:
        say("this machine's agent is enrolled; next: zrokd agent start")


@agent.command()
@JSON
def unenroll(*, as_json: bool) -> None:
    """Take that back: nobody commands this machine any more. What the agent shares now ends when it ends."""
    environment = session.enabled()
    z_id = environment.identity.z_id
    with session.controller_of(environment) as controller:
        try:
            controller.unenroll_agent(z_id)
        except (Invalid, NotFound):
            say("the controller did not know of an agent here")
    _file().delete()
    if as_json:
        emit({"event": "agent_unenrolled", "environment": z_id})
    else:
        say("this machine's agent is not enrolled any more")


@agent.command()
@click.option("--headless", is_flag=True, help="No colours, one plain line each.")
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
@JSON
def start(*, headless: bool, verbose: bool, as_json: bool) -> int:
    """Run the agent until Ctrl-C. What it was told before is shared and opened again.

    For good, and on servers, write `agent: true` into the YAML of a backend instead.
    """
    from zrokd.cli.foreground import run_daemon
    from zrokd.cli.screen import make_screen
    from zrokd.client.environment import default_folder
    from zrokd.config.load import from_tree
    from zrokd.host.registry import Registry

    environment = session.enabled()
    _require_enrolment(environment)
    registry, folder = Registry(), default_folder()
    backend = {"environment": str(folder), "ca": session.ca_file(environment), "agent": True}
    tree = {
        "version": 1,
        "log": session.log_of(verbose=verbose, as_json=as_json),
        "state_dir": str(folder / "agent"),
        "overlay": session.overlay_of(environment),
        "roles": {"backend": backend},
    }
    configuration = from_tree(tree, registry=registry)
    say("this machine's agent takes orders of its account until Ctrl-C")
    return run_daemon(configuration, registry, screen=make_screen(as_json=as_json, plain=headless))


def _require_enrolment(environment: EnabledEnvironment) -> None:
    if not _file().load(environment.identity.z_id):
        raise StartError("this machine's agent is not enrolled; run: zrokd agent enroll")


@agent.command()
@JSON
def status(*, as_json: bool) -> None:
    """Show what this machine's agent shares and has opened. Asks it through the controller, as others do."""
    environment = session.enabled()
    with session.controller_of(environment) as controller:
        found = controller.agent_status(environment.identity.z_id)
    if as_json:
        emit(found)
        return
    for share in _objects(found, "shares"):
        ends = share.get("frontendEndpoints")
        where = ", ".join(map(str, ends)) if isinstance(ends, list) and ends else share.get("shareMode", "")
        what = f"{session.mode_of(share)} {share.get('backendEndpoint', '')}"
        click.echo(f"share {clean(share.get('token') or '-')} {clean(where)} -> {clean(what)} {_state(share)}")
    for access in _objects(found, "accesses"):
        what = f"{access.get('bindAddress', '')} -> {access.get('token', '')}"
        click.echo(f"access {clean(access.get('frontendToken') or '-')} {clean(what)} {_state(access)}")
    if not (found.get("shares") or found.get("accesses")):
        say("this machine's agent runs, and neither shares nor opens anything")


def _objects(found: dict[str, Any], key: str) -> list[dict[str, Any]]:
    listed = found.get(key)
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _state(item: dict[str, Any]) -> str:
    failure = item.get("failure")
    why = f": {failure.get('lastError', '')}" if isinstance(failure, dict) else ""
    return str(clean(f"({item.get('status', '')}{why})"))


def _file() -> EnrolmentFile:
    from zrokd.client.enrolment import EnrolmentFile
    from zrokd.client.environment import default_folder

    return EnrolmentFile(default_folder())
