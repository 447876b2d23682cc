"""`zrokd run FILE`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zrokd.cli.sets import SETS, parse_sets

if TYPE_CHECKING:
    from zrokd.config.load import Configuration


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@SETS
@click.option("--screen", is_flag=True, help="Show addresses and requests, as `zrokd share` does.")
@click.option("--json", "as_json", is_flag=True, help="With --screen: one JSON object a line.")
@click.option("--qr", is_flag=True, help="With --screen: a QR code of each address.")
def run(file: Path, *, sets: tuple[str, ...], screen: bool, as_json: bool, qr: bool) -> int:
    """Run the daemon of FILE until it is told to end. SIGHUP reads FILE again, SIGTERM drains."""
    from zrokd.cli.foreground import run_daemon
    from zrokd.cli.screen import make_screen
    from zrokd.config.load import load
    from zrokd.host.registry import Registry

    registry = Registry()
    overrides = parse_sets(sets)
    if screen:
        overrides.setdefault("log.level", "warning")

    def read() -> Configuration:
        return load(file, registry=registry, overrides=overrides, create_secrets=True)

    load_again: Callable[[], Configuration] = read
    shown = make_screen(as_json=as_json, qr=qr) if screen or as_json else None
    return run_daemon(read(), registry, load=load_again, screen=shown)
