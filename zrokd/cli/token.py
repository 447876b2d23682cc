"""`zrokd token create|list|revoke`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from zrokd.cli import session
from zrokd.cli.misuse import asked_for
from zrokd.cli.output import JSON, emit, say, table, when
from zrokd.model.account import Token
from zrokd.model.units import Secret, parse_duration_s

if TYPE_CHECKING:
    from zrokd.client.controller import Controller

_SCOPES = ("read", "share", "account")


def duration_s(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int:
    """What an option says in whole seconds; 0 when it is left out. :raises click.BadParameter: it is no duration."""
    try:
        return int(parse_duration_s(value)) if value else 0
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _at(function: Callable[..., None]) -> Callable[..., None]:
    """Who asks, and where."""
    options = (
        click.option("--token-file", metavar="FILE", help="Ask with the token in FILE, not with this machine's."),
        click.option("--controller", metavar="URL", help="Of --token-file; or set ZROKD_CONTROLLER."),
        click.option("--ca", metavar="FILE", help="Check it with the certificates in FILE; or set ZROKD_CA."),
        JSON,
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.group()
def token() -> None:
    """Make and end tokens of the account, each good for so much and so long.

    This machine's own token must be good for everything (scope account), or another be given by --token-file.
    """


@token.command("create")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(_SCOPES),
    default="share",
    show_default=True,
    help="read: look. share: what a machine does that shares. account: all, also tokens and the password.",
)
@click.option(
    "--expires", "expires_in_s", metavar="TIME", callback=duration_s, help="Its end, such as 90d; left out: never."
)
@_at
def create_token(name: str, scope: str, expires_in_s: int, *, as_json: bool, **at: str | None) -> None:
    """Make a token called NAME, and print its secret: it is shown this once."""
    with _controller(**at) as controller:
        made, secret = controller.create_token(name, scope, expires_in_s)
    if as_json:
        emit({**_row(made), "token": secret})
        return
    click.echo(secret)
    end = f", until {when(made.expires_at_ms)}" if made.expires_at_ms else ""
    say(f"token {made.name} is good for {made.scope}{end}; this is shown once")


@token.command("list")
@_at
def list_tokens(*, as_json: bool, **at: str | None) -> None:
    """The account's tokens: what each is good for, and when it was used last (within half a minute)."""
    with _controller(**at) as controller:
        rows = [_row(one) for one in controller.list_tokens()]
    if not as_json:
        now_ms = time.time() * 1000
        for row in rows:
            ended = 0 < row["expires_at_ms"] <= now_ms
            row["expires"] = f"{when(row['expires_at_ms'])}{' (ended)' if ended else ''}"
            row["created"], row["last used"] = when(row["created_at_ms"]), when(row["last_used_at_ms"])
    table(rows, ("name", "scope", "created", "expires", "last used"), as_json=as_json, none="no tokens")


@token.command("revoke")
@click.argument("name")
@_at
def revoke_token(name: str, *, as_json: bool, **at: str | None) -> None:
    """End the token NAME now. `account` is the one that came with the account, `login` those that logins gave."""
    with _controller(**at) as controller, asked_for(token=name):
        controller.revoke_token(name)
    if as_json:
        emit({"event": "token_revoked", "name": name})
    else:
        say(f"token {name} is void now")


def _row(one: Token) -> dict[str, Any]:
    return {
        "name": one.name,
        "scope": one.scope.value,
        "created_at_ms": one.created_at_ms,
        "expires_at_ms": one.expires_at_ms,
        "last_used_at_ms": one.last_used_at_ms,
    }


@contextlib.contextmanager
def _controller(*, token_file: str | None, controller: str | None, ca: str | None) -> Iterator[Controller]:
    """The controller that is asked; closed afterwards."""
    if token_file is None:
        with session.controller_of(session.enabled()) as found:
            yield found
        return
    from zrokd.client.controller import Controller

    secret = Secret(session.read_token(token_file))
    found = Controller(session.controller_url(controller), secret, verify=session.ca_file(given=ca) or True)
    try:
        yield found
    finally:
        found.close()
