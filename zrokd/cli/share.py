"""`zrokd share public|private TARGET`: a backend with one share, in the foreground."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zrokd.cli.lazy import KindGroup
from zrokd.cli.misuse import in_flags, in_words_of
from zrokd.cli.output import JSON, reason
from zrokd.model.units import is_host

if TYPE_CHECKING:
    from zrokd.contracts import Component
    from zrokd.host.registry import Registry

_WORDS = {
    "target": "TARGET",
    "mode": "--mode",
    "insecure": "--insecure",
    "name": "--name",
    "namespace": "--namespace",
    "gate": "--gate",
    "basic_auth": "--basic-auth-file or ZROKD_BASIC_AUTH",
    "token": "--token",
    "grants": "--grant",
}
_COMMON = (
    click.option("-b", "--mode", default="proxy", show_default=True, help="What is done with a visitor."),
    click.option("--insecure", is_flag=True, help="Do not check the certificate of an https target."),
    click.option("--headless", is_flag=True, help="No colours, one plain line each."),
    click.option("--verbose", "-v", is_flag=True, help="Log more."),
    JSON,
)


def _common(function: Any) -> Any:
    for option in reversed(_COMMON):
        function = option(function)
    return function


@click.group(cls=KindGroup)
def share() -> None:
    """Share a web server, a port or a folder until Ctrl-C."""


@share.command()
@click.argument("target", required=False)
@click.option("-n", "--name", "names", multiple=True, metavar="[NAMESPACE:]NAME", help="A reserved name, or a new one.")
@click.option("--namespace", default="public", show_default=True, help="Where a random name is made.")
@click.option(
    "--basic-auth-file", metavar="FILE", help="Lines of user:password; only they may pass. Or set ZROKD_BASIC_AUTH."
)
@click.option("--gate", default="", metavar="GATE", help="Who passes GATE may pass; its name is the operator's.")
@click.option("--qr", is_flag=True, help="Print a QR code of the address.")
@_common
def public(
    target: str | None,
    names: tuple[str, ...],
    namespace: str,
    basic_auth_file: str | None,
    gate: str,
    *,
    qr: bool,
    **rest: Any,
) -> int:
    """Share TARGET with everybody who knows the address.

    TARGET is a URL, host:port or port of a web server; with --mode web a folder; with --mode hello nothing.
    """
    if len(names) > 1:
        raise click.UsageError("one --name for one share; run a second zrokd share for a second name")
    selections = [_selection(text, namespace) for text in names]
    entry: dict[str, Any] = {"namespace": selections[0][0] if selections else namespace}
    if selections:
        entry["name"] = selections[0][1]
    users = _users(basic_auth_file)
    if gate and users:
        raise click.UsageError("--basic-auth-file and ZROKD_BASIC_AUTH mean the gate basic; leave them or --gate out")
    if gate == "basic":
        raise click.UsageError("--gate basic is what --basic-auth-file FILE and ZROKD_BASIC_AUTH give; use one of them")
    if users:
        entry["basic_auth"] = users
    if gate:
        entry["gate"] = gate
    return _serve(entry, target, selections, qr=qr, **rest)


@share.command()
@click.argument("target", required=False)
@click.option("-s", "--token", default="", help="A token of your choice, the same at every start.")
@click.option("--open", "is_open", is_flag=True, help="Let every account of the controller open it.")
@click.option("--grant", "grants", multiple=True, metavar="EMAIL", help="Let this account open it; repeatable.")
@_common
def private(target: str | None, token: str, grants: tuple[str, ...], *, is_open: bool, **rest: Any) -> int:
    """Share TARGET with holders of the token that is printed, as far as they are allowed to open it.

    TARGET is as with public; with --mode tcp host:port of anything that speaks TCP.
    """
    entry: dict[str, Any] = {"private": True, "permission": "open" if is_open else "closed", "grants": list(grants)}
    if token:
        entry["token"] = token
    return _serve(entry, target, [], qr=False, **rest)


def _serve(
    entry: dict[str, Any],
    target: str | None,
    selections: list[tuple[str, str]],
    *,
    mode: str,
    insecure: bool,
    headless: bool,
    verbose: bool,
    as_json: bool,
    qr: bool,
) -> int:
    from zrokd.cli import preflight, session
    from zrokd.cli.foreground import run_daemon
    from zrokd.cli.screen import make_screen
    from zrokd.client.environment import default_folder
    from zrokd.config.load import from_tree
    from zrokd.host.registry import Registry

    environment = session.enabled()
    registry = Registry()
    if not entry.get("private") and not getattr(_mode(registry, mode), "http", True):
        raise click.UsageError(f"mode {mode} is for private shares; run: zrokd share private {target} --mode {mode}")
    _refuse_mixed_up(target, mode)
    where = _target(target, mode)
    options = {key: value for key, value in {"target": where, "insecure": insecure}.items() if value}
    with session.scratch_folder() as folder:
        backend = {
            "environment": str(default_folder()),
            "ca": session.ca_file(environment),
            "release_on_exit": True,
            "shares": [
                {**entry, "required": True, "mode": mode, **{key: value for key, value in options.items() if value}}
            ],
        }
        tree = {
            "version": 1,
            "log": session.log_of(verbose=verbose, as_json=as_json),
            "state_dir": str(folder),
            "overlay": session.overlay_of(environment),
            "roles": {"backend": backend},
        }
        with in_words_of(_WORDS, mode):
            configuration = from_tree(tree, registry=registry)
        preflight.check_names(environment, selections, str(entry.get("token", "")))
        words = partial(in_flags, flags=_WORDS)
        screen = make_screen(as_json=as_json, qr=qr, plain=headless, target=where, words=words)
        return run_daemon(configuration, registry, screen=screen, words=None if verbose else words)


def _mode(registry: Registry, name: str) -> type[Component] | None:
    """The mode's class; None when there is none: the configuration's check says that better."""
    from zrokd.errors import PluginError

    try:
        return registry("mode", name)
    except PluginError:
        return None


def _refuse_mixed_up(target: str | None, mode: str) -> None:
    """Who names a folder that is here means its files, and who names a port that is no folder a web server."""
    folder = target or ""
    port = folder.removeprefix(":")
    if mode == "web" and port.isascii() and port.isdigit() and not Path(folder).exists():
        raise click.UsageError(f"there is no folder {folder} here; for a web server on that port leave --mode web out")
    if mode == "proxy" and folder and not folder.removeprefix(":").isdigit() and Path(folder).is_dir():
        server = f"; a web server of that name is http://{folder}" if is_host(folder) and "/" not in folder else ""
        raise click.UsageError(f"{folder} is a folder here, shared with --mode web{server}")


def _target(target: str | None, mode: str) -> str:
    """The `target` of a share as people write it: bare ports are of this machine, a missing scheme is http."""
    if not target:
        return ""
    port = target.removeprefix(":")
    if mode in ("proxy", "tcp") and port.isascii() and port.isdigit():
        target = f"127.0.0.1:{port}"
    if mode == "web":
        return str(Path(target).absolute())
    if mode != "proxy" or "://" in target or target.startswith("unix:"):
        return target
    return f"{'https' if port == '443' else 'http'}://{target}"


def _selection(text: str, namespace: str) -> tuple[str, str]:
    space, colon, name = text.rpartition(":")
    return (space if colon else namespace), name


def _users(file: str | None) -> list[str]:
    """user:password lines of a file and of $ZROKD_BASIC_AUTH: never of the command line, which others can see."""
    lines = os.environ.get("ZROKD_BASIC_AUTH", "").split()
    if file is not None:
        try:
            lines += [line.strip() for line in Path(file).read_text().splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"{file} cannot be read: {reason(error)}") from error
    return lines
