"""`zrokd login`."""

from __future__ import annotations

import click

from zrokd.cli import session
from zrokd.cli.output import JSON, emit, say, when
from zrokd.errors import Denied
from zrokd.model.units import Secret


@click.command()
@click.argument("email")
@click.option("--password-file", metavar="FILE", help="Holds the password; - is standard input; or it is asked for.")
@click.option("--admin", is_flag=True, help="A token of an administrator, for zrokd admin; it ends after eight hours.")
@click.option("--controller", metavar="URL", help="The controller; or set ZROKD_CONTROLLER.")
@click.option("--ca", metavar="FILE", help="Check the controller with the certificates in FILE; or set ZROKD_CA.")
@JSON
def login(
    email: str, password_file: str | None, controller: str | None, ca: str | None, *, admin: bool, as_json: bool
) -> None:
    """Print a new token for who has the address EMAIL and its password: with zrokd, or where the controller looks.

    With it: zrokd enable --token-file FILE, or, of an administrator, zrokd admin --secret-file FILE.
    """
    from zrokd.client.controller import Controller

    password = Secret(session.read_password(password_file) if password_file else _asked())
    client = Controller(session.controller_url(controller), Secret(""), verify=session.ca_file(given=ca) or True)
    try:
        token, expires_at_ms = client.login_admin(email, password) if admin else (client.login(email, password), 0)
    except Denied as error:
        raise Denied(f"{error}{'; or this is no administrator' if admin else ''}") from error
    finally:
        client.close()
    if as_json:
        emit({"token": token, "expires_at_ms": expires_at_ms})
        return
    click.echo(token)
    say(f"this is shown once{f', and good until {when(expires_at_ms)}' if expires_at_ms else ''}")


def _asked() -> str:
    password: str = click.prompt("Password", hide_input=True, err=True)
    return password
