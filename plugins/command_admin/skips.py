"""`zrokd admin create|delete|list skip-interstitial-grant`: whose visitors are not warned."""

from __future__ import annotations

from urllib.parse import urlencode

import click

from .desk import Desk, at_desk


@click.command("skip-interstitial-grant")
@click.argument("email")
@at_desk
def create_skip(desk: Desk, email: str) -> None:
    """Do not warn visitors of an account's shares."""
    desk.call("POST", "/skip-interstitial-grant", {"email": email}, of=email)
    desk.say({"email": email, "granted": True}, f"visitors of {email} are not warned")


@click.command("skip-interstitial-grant")
@click.argument("email")
@at_desk
def delete_skip(desk: Desk, email: str) -> None:
    """Warn visitors of an account's shares, where frontends warn."""
    desk.call("DELETE", "/skip-interstitial-grant", {"email": email}, of=email)
    desk.say({"email": email, "granted": False}, f"visitors of {email} are warned")


@click.command("skip-interstitial-grant")
@click.argument("email")
@at_desk
def list_skip(desk: Desk, email: str) -> None:
    """Show whether visitors of an account's shares are warned."""
    found = desk.call("GET", f"/skip-interstitial-grant?{urlencode({'email': email})}", of=email)
    desk.say(found, f"visitors of {email} are {'not ' if found['granted'] else ''}warned")
