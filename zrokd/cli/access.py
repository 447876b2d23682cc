"""`zrokd access private TOKEN`: a frontend with one private access, in the foreground."""

from __future__ import annotations

import click

from zrokd.cli.lazy import KindGroup
from zrokd.cli.misuse import asked_for, in_words_of
from zrokd.cli.output import JSON


@click.group(cls=KindGroup)
def access() -> None:
    """Open somebody's private share on this machine until Ctrl-C."""


@access.command()
@click.argument("token")
@click.option("-b", "--bind", default="127.0.0.1:9191", show_default=True, help="Where to listen for it.")
@click.option("--headless", is_flag=True, help="No colours, one plain line each.")
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
@JSON
def private(token: str, bind: str, *, headless: bool, verbose: bool, as_json: bool) -> int:
    """Open the private share TOKEN on an address of this machine."""
    from zrokd.cli import preflight, session
    from zrokd.cli.foreground import run_daemon
    from zrokd.cli.screen import make_screen
    from zrokd.client.environment import default_folder
    from zrokd.config.load import from_tree
    from zrokd.host.registry import Registry

    environment = session.enabled()
    registry = Registry()
    with session.scratch_folder() as folder:
        tree = {
            "version": 1,
            "log": session.log_of(verbose=verbose, as_json=as_json),
            "state_dir": str(folder),
            "overlay": session.overlay_of(environment),
            "roles": {
                "frontend": {
                    "environment": str(default_folder()),
                    "ca": session.ca_file(environment),
                    "accesses": [{"share": token, "listen": bind}],
                }
            },
        }
        with in_words_of({"share": "TOKEN", "listen": "--bind"}):
            configuration = from_tree(tree, registry=registry)
        preflight.check_names(environment, [])
        screen = make_screen(as_json=as_json, plain=headless, role="frontend")
        with asked_for(share=token):
            return run_daemon(configuration, registry, screen=screen, words=None if verbose else str)
